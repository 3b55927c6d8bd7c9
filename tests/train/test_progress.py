"""The curves and the summary, from a progress file counted by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from stages.common.progress_file import read
from stages.train import progress

CHATS = {"train": 121, "validation": 18}
LINES = [
    {"step": 0, "steps": 4, "seconds": 0.0, "tokens": 0, "memory": 400.0},
    {"step": 1, "steps": 4, "seconds": 2.0, "tokens": 100, "memory": 800.0, "loss": 3.0, "learning_rate": 0.001, "grad_norm": 1.0},
    {"step": 2, "steps": 4, "seconds": 6.0, "tokens": 500, "memory": 800.0, "loss": 2.5, "learning_rate": 0.00075, "grad_norm": 0.5},
    {"step": 2, "steps": 4, "seconds": 6.0, "tokens": 500, "memory": 900.0, "eval_loss": 2.25},
    # An attempt that went on from step 2 in a process of its own.
    {"step": 3, "steps": 4, "seconds": 10.0, "tokens": 700, "memory": 700.0, "loss": 2.0, "learning_rate": 1e-05, "grad_norm": 2.0},
    {"step": 4, "steps": 4, "seconds": 11.0, "tokens": 1000, "memory": 950.5, "loss": 1.75, "learning_rate": 0.0, "grad_norm": 0.25},
    {"step": 4, "steps": 4, "seconds": 11.0, "tokens": 1000, "memory": 960.0, "eval_loss": 2.5},
]


def summary(lines: list[dict], kept: int = 4) -> dict[str, float]:
    return progress.summary(lines, 460800, CHATS, kept)


def test_each_curve_has_its_file_with_a_head_and_a_row_a_step() -> None:
    assert progress.curves(LINES) == {
        "plots/train/loss.csv": "step,loss\n1,3\n2,2.5\n3,2\n4,1.75\n",
        "plots/train/eval_loss.csv": "step,eval_loss\n2,2.25\n4,2.5\n",
        "plots/train/eval_perplexity.csv": f"step,eval_perplexity\n2,{math.exp(2.25):.8g}\n4,{math.exp(2.5):.8g}\n",
        "plots/train/learning_rate.csv": "step,learning_rate\n1,0.001\n2,0.00075\n3,1e-05\n4,0\n",
        "plots/train/grad_norm.csv": "step,grad_norm\n1,1\n2,0.5\n3,2\n4,0.25\n",
        "plots/train/step_seconds.csv": "step,step_seconds\n1,2\n2,4\n3,4\n4,1\n",
        # 100 tokens in 2 s, 400 in 4 s, 200 in 4 s, 300 in 1 s
        "plots/train/tokens_per_second.csv": "step,tokens_per_second\n1,50\n2,100\n3,50\n4,300\n",
        "plots/train/memory.csv": "step,memory\n0,400\n1,800\n2,800\n3,900\n4,950.5\n",  # the peak so far
    }


def test_the_plots_are_the_curves_and_the_checkpoints() -> None:
    assert progress.plots(LINES) == progress.curves(LINES) | {"plots/train/checkpoints.csv": progress.checkpoints(LINES)}


def test_the_curves_of_a_run_under_way_are_the_beginning_of_the_whole_runs() -> None:
    whole = progress.curves(LINES)
    for count in range(len(LINES) + 1):
        for path, text in progress.curves(LINES[:count]).items():
            assert whole[path].startswith(text)


def test_a_run_that_has_only_begun_has_curves_with_a_head_and_at_most_the_memory() -> None:
    for lines, rows in (([], ""), (LINES[:1], "0,400\n")):
        for path, text in progress.curves(lines).items():
            assert text == f"step,{Path(path).stem}\n" + rows * (Path(path).stem == "memory")


def test_of_steps_that_are_logged_together_the_seconds_are_those_of_one() -> None:
    lines = [LINES[0], LINES[4]]
    assert progress.curves(lines)["plots/train/step_seconds.csv"] == "step,step_seconds\n3,3.333\n"


def test_a_loss_beyond_all_bounds_has_a_perplexity_still() -> None:
    lines = [*LINES[:3], LINES[3] | {"eval_loss": 5000.0}]
    assert float(progress.curves(lines)["plots/train/eval_perplexity.csv"].splitlines()[1].split(",")[1]) < math.inf


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
        "seconds": 11.0,
        "tokens_per_second": 90.9,
        "peak_memory_mib": 960.0,
    }


def test_the_last_loss_is_the_mean_of_the_last_tenth() -> None:
    lines = [LINES[0], *({"step": n, "steps": 30, "seconds": float(n), "tokens": n, "memory": 1.0, "loss": float(n)} for n in range(1, 31)), LINES[-1]]
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
    before = {"step": 0, "steps": 4, "seconds": 0.0, "tokens": 0, "eval_loss": 4.0}
    assert progress.checkpoints([before, *LINES]).splitlines() == [
        "step,eval_loss,eval_perplexity,loss",
        f"2,2.25,{math.exp(2.25):.8g},2.75",
        f"4,2.5,{math.exp(2.5):.8g},1.875",
    ]
