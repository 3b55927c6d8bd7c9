"""A file of progress is read while somebody writes it."""

from __future__ import annotations

import json
from pathlib import Path

from stages.common.progress_file import eval_losses, read
from tests.train.test_progress import LINES


def test_a_file_is_read_as_far_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    assert read(path) == []
    text = "".join(json.dumps(line) + "\n" for line in LINES)
    begins = [0]
    for line in text.splitlines(keepends=True):
        begins.append(begins[-1] + len(line))
    for end in range(0, len(text) + 1, 7):
        path.write_text(text[:end])
        assert read(path) == LINES[: sum(begin <= end for begin in begins) - 1]
    path.write_text(text)
    assert read(path) == LINES


def test_the_evaluation_before_the_first_step_is_of_no_checkpoint() -> None:
    assert eval_losses([{"step": 0, "eval_loss": 4.0}, *LINES]) == {2: 2.25, 4: 2.5}
