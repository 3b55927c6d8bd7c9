"""What the stage says and writes while Axolotl trains."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from tqdm import tqdm

from stages.train.axolotl import show, warn
from stages.train.warning_signs import Sign


def test_each_sign_is_told_once_on_stderr_and_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    log, told = io.BytesIO(), set()
    spike, rank = Sign("loss_spike", "the loss spikes at step 3"), Sign("rank", "lora_r is 2")
    for signs in ([rank], [rank], [rank, spike], [rank, Sign("loss_spike", "in other words")]):
        warn(signs, told, log)
    said = "warning: lora_r is 2\nwarning: the loss spikes at step 3\n"
    assert capsys.readouterr() == ("", said)
    assert log.getvalue().decode() == said


def test_before_the_first_line_the_curves_are_there_with_their_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with tqdm(disable=True) as bar:
        show(bar, [])
    assert {path.name: path.read_text() for path in Path("plots/train").iterdir()}["loss.csv"] == "step,loss\n"
    assert len(list(Path("plots/train").iterdir())) == 9
