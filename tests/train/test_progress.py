"""The curves and the summary, from a progress file counted by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from stages.common.progress_file import read
from stages.train import progress

CHATS = {"train": 121, "validation": 18}
# Steps 2 and 4 are evaluated; the evaluations of 10 and 20 seconds count for no step.
LINES = [
    {"step": 0, "steps": 4, "seconds": 0.0, "tokens": 0},
    {"step": 1, "steps": 4, "seconds": 2.0, "tokens": 100, "loss": 3.0, "learning_rate": 0.001, "grad_norm": 1.0},
    {"step": 2, "steps": 4, "seconds": 6.0, "tokens": 500, "loss": 2.5, "learning_rate": 0.00075, "grad_norm": 1.0},
    {"step": 2, "steps": 4, "seconds": 16.0, "tokens": 500, "eval_loss": 2.25, "eval_runtime": 10.0},
    {"step": 3, "steps": 4, "seconds": 20.0, "tokens": 700, "loss": 2.0, "learning_rate": 1e-05, "grad_norm": 1.0},
    {"step": 4, "steps": 4, "seconds": 21.0, "tokens": 1000, "loss": 1.75, "learning_rate": 0.0, "grad_norm": 1.0},
    {"step": 4, "steps": 4, "seconds": 41.0, "tokens": 1000, "eval_loss": 2.5, "eval_runtime": 20.0},
]


def summary(lines: list[dict], kept: int = 4) -> dict[str, float]:
    return progress.summary(lines, 460800, CHATS, kept)


def test_each_curve_has_its_file_with_a_head_and_a_row_a_step() -> None:
    assert progress.curves(LINES) == {
        "plots/train/loss.csv": "step,loss\n1,3\n2,2.5\n3,2\n4,1.75\n",
        "plots/train/eval_loss.csv": "step,eval_loss\n2,2.25\n4,2.5\n",
        "plots/train/learning_rate.csv": "step,learning_rate\n1,0.001\n2,0.00075\n3,1e-05\n4,0\n",
        # 100 tokens in 2 s, 400 in 4 s, 200 in 14 s of which 10 were evaluation, 300 in 1 s
        "plots/train/tokens_per_second.csv": "step,tokens_per_second\n1,50\n2,100\n3,50\n4,300\n",
    }


def test_the_curves_of_a_run_under_way_are_the_beginning_of_the_whole_runs() -> None:
    whole = progress.curves(LINES)
    for count in range(len(LINES) + 1):
        for path, text in progress.curves(LINES[:count]).items():
            assert whole[path].startswith(text)


def test_a_run_that_has_only_begun_has_curves_with_a_head_and_no_row() -> None:
    for lines in ([], LINES[:1]):
        assert {text for text in progress.curves(lines).values()} == {"step,loss\n", "step,eval_loss\n", "step,learning_rate\n", "step,tokens_per_second\n"}


def test_two_evaluations_between_two_logs_are_both_left_out() -> None:
    lines = [*LINES[:4], LINES[3] | {"seconds": 19.0, "eval_runtime": 3.0}, LINES[4] | {"seconds": 23.0}]
    assert progress.curves(lines)["plots/train/tokens_per_second.csv"].splitlines()[-1] == "3,50"


def test_the_summarys_figures_are_what_a_hand_counts() -> None:
    assert summary(LINES) == {
        "steps": 4,
        "chats": 121,
        "tokens": 1000,
        "trainable_parameters": 460800,
        "loss": 1.75,
        "kept_step": 4,
        "eval_loss": 2.5,
        "last_eval_loss": 2.5,
        "best_eval_loss": 2.25,
        "eval_perplexity": round(math.exp(2.5), 4),
        "seconds": 11.0,  # 41 less 10 and 20 of evaluation
        "tokens_per_second": 90.9,
    }


def test_the_last_loss_is_the_mean_of_the_last_tenth() -> None:
    lines = [LINES[0], *({"step": n, "steps": 30, "seconds": float(n), "tokens": n, "loss": float(n)} for n in range(1, 31)), LINES[-1]]
    assert summary(lines)["loss"] == 29.0  # of 28, 29, 30


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["loss", "eval_loss"])
def test_a_loss_that_is_no_number_is_refused(name: str, bad: float) -> None:
    lines = [line | {name: bad} if name in line and line["step"] == 2 else line for line in LINES]
    with pytest.raises(ValueError, match="^training logged 4 losses and 2 eval losses, of them not finite: 1$"):
        summary(lines)


def test_a_nan_survives_the_way_through_the_file_and_is_refused(tmp_path: Path) -> None:
    (tmp_path / "progress.jsonl").write_text("".join(json.dumps(line | ({"loss": math.nan} if "loss" in line else {})) + "\n" for line in LINES))
    with pytest.raises(ValueError, match="not finite: 4"):
        summary(read(tmp_path / "progress.jsonl"))


def test_a_run_without_a_loss_or_without_an_eval_loss_is_refused() -> None:
    with pytest.raises(ValueError, match="logged 0 losses and 2 eval losses"):
        summary([line for line in LINES if "loss" not in line])
    with pytest.raises(ValueError, match="logged 4 losses and 0 eval losses"):
        summary([line for line in LINES if "eval_loss" not in line])


def test_the_eval_loss_is_that_of_the_checkpoint_that_is_kept() -> None:
    figures = summary(LINES, kept=2)
    assert [figures[name] for name in ("kept_step", "eval_loss", "last_eval_loss", "eval_perplexity")] == [2, 2.25, 2.5, round(math.exp(2.25), 4)]


def test_each_checkpoint_has_a_row_with_the_mean_loss_since_the_one_before() -> None:
    before = {"step": 0, "steps": 4, "seconds": 0.0, "tokens": 0, "eval_loss": 4.0, "eval_runtime": 1.0}
    assert progress.checkpoints([before, *LINES]).splitlines() == [
        "step,eval_loss,eval_perplexity,loss",
        f"2,2.25,{math.exp(2.25):.8g},2.75",
        f"4,2.5,{math.exp(2.5):.8g},1.875",
    ]
