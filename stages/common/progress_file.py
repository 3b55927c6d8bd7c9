"""progress.jsonl of a training: one line a log of the trainer, written in the training environment and read in the pipeline's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path


def read(path: Path) -> list[dict]:
    """The lines written so far; a last line still being written is left for the next look."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def eval_losses(lines: Sequence[dict]) -> dict[int, float]:
    """Eval loss by step, but the one before the first step."""
    return {line["step"]: line["eval_loss"] for line in lines if "eval_loss" in line and line["step"]}
