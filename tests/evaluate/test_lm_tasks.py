"""Tasks of the lm-evaluation-harness: figures from scores by document, and what the stage says of files that are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.common.errors import UserError
from stages.evaluate.intervals import paired_difference, wilson
from stages.evaluate.lm_tasks import figures, read
from tests.evaluate.sample import evaluate, lay_out, records


def lines(task: str, base: list[float], tuned: list[float], metric: str = "acc") -> list[dict]:
    return [
        {"arm": arm, "task": task, "metric": metric, "id": n, "score": score} for arm, own in (("base", base), ("tuned", tuned)) for n, score in enumerate(own)
    ]


def written(folder: Path, records: list[dict]) -> Path:
    (folder / "lm_eval.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder / "lm_eval.jsonl"


def test_right_and_wrong_are_rates_and_their_difference_is_paired(tmp_path: Path) -> None:
    base, tuned = [1.0] * 8 + [0.0] * 4, [1.0] * 4 + [0.0] * 8
    found = figures(read(written(tmp_path, lines("arc_easy", base, tuned))), 0.95)
    assert found == {
        "base.lm_eval.arc_easy": wilson(8, 12, 0.95),
        "tuned.lm_eval.arc_easy": wilson(4, 12, 0.95),
        "tuned_vs_base.lm_eval.arc_easy": paired_difference(list(map(bool, base)), list(map(bool, tuned)), 0.95),
        "lm_eval.arc_easy.documents": 12,
    }


def test_other_scores_have_the_normal_interval_of_their_mean(tmp_path: Path) -> None:
    found = figures(read(written(tmp_path, lines("squad", [0.2, 0.4, 0.6, 0.8], [0.1, 0.4, 0.5, 0.8], "f1"))), 0.95)
    # By hand: deviation sqrt(0.2 / 3) = 0.258199, over sqrt(4); of the differences 0.1, 0, 0.1, 0: sqrt(0.01 / 3) = 0.057735.
    half, less = 1.959964 * 0.258199 / 2, 1.959964 * 0.057735 / 2
    assert (found["base.lm_eval.squad"].value, found["base.lm_eval.squad"].upper) == (pytest.approx(0.5), pytest.approx(0.5 + half, abs=1e-5))
    assert (found["tuned_vs_base.lm_eval.squad"].value, found["tuned_vs_base.lm_eval.squad"].lower) == (
        pytest.approx(-0.05),
        pytest.approx(-0.05 - less, abs=1e-5),
    )


def test_no_task_has_no_figures(tmp_path: Path) -> None:
    assert figures(read(written(tmp_path, [])), 0.95) == {}


def test_arms_that_were_asked_different_documents_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="lm_eval.jsonl: base and tuned were not asked the same documents of arc_easy; run the answer stage again"):
        read(written(tmp_path, lines("arc_easy", [1.0, 0.0], [1.0])))


def test_a_bad_line_is_named_by_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="lm_eval.jsonl:1: score is '1'; expected a value of type float"):
        read(written(tmp_path, [lines("t", ["1"], [])[0]]))  # type: ignore[list-item]


def test_the_stage_writes_the_tasks_into_the_metrics_and_the_page(tmp_path: Path) -> None:
    files = records() | {"data/answers/lm_eval.jsonl": lines("arc_easy", [1.0] * 20, [1.0] * 8 + [0.0] * 12)}
    run = evaluate(lay_out(tmp_path, files))
    assert run.returncode == 0, run.stderr
    metrics = json.loads((tmp_path / "metrics/evaluate.json").read_text())
    assert (metrics["base.lm_eval.arc_easy"], metrics["tuned_vs_base.lm_eval.arc_easy"], metrics["lm_eval.arc_easy.documents"]) == (1, -0.6, 20)
    page = (tmp_path / "reports/evaluation.html").read_text(encoding="utf-8")
    assert "<li>arc_easy: " in page and "Real loss</span> Tuned minus base: \u22120.60" in page
