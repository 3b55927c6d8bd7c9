"""The gate: bounds judged and written down by a stage that ends well, and read again by whoever would hand the model to others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.common.errors import UserError
from stages.common.schemas import fault
from stages.evaluate.gate import Bound, flat, judge, read, refuse
from tests.evaluate.sample import as_shipped, evaluate, lay_out, records

FIGURES = {"tuned.redteam_break_rate": 0.25, "tuned.in_character_rate": 0.9, "tuned.empty_rate": 0.0}
GATE = [{"metric": "tuned.redteam_break_rate", "max": 0.1}, {"metric": "tuned.in_character_rate", "min": 0.9, "max": 1}]


def test_a_bound_is_kept_at_its_ends_and_not_beyond_them() -> None:
    assert [bound.passed for bound in judge(GATE, FIGURES)] == [False, True]
    assert not Bound("m", 0.89, min=0.9).passed and Bound("m", 0.1, max=0.1).passed and not Bound("m", 1.1, min=0.9, max=1).passed


def test_a_bound_says_what_was_found_and_what_was_asked() -> None:
    assert [bound.told for bound in judge(GATE, FIGURES)] == [
        "tuned.redteam_break_rate is 0.25; at most 0.1",
        "tuned.in_character_rate is 0.9; at least 0.9 and at most 1",
    ]


@pytest.mark.parametrize(
    ("gate", "sentence"),
    [
        (
            [{"metric": "tuned.redteam_break_rat", "max": 1}],
            "no metric tuned.redteam_break_rat in this evaluation; the nearest name is tuned.redteam_break_rate",
        ),
        ([{"metric": "empty", "max": 1}], "no metric empty in this evaluation; the nearest name is tuned.empty_rate"),
        ([GATE[0], {"metric": "tuned.redteam_break_rate", "min": 0}], "tuned.redteam_break_rate stands there twice; expected one bound, with min and max"),
        (
            [{"metric": "tuned.redteam_break_rate", "min": 0.5, "max": 0.1}],
            "tuned.redteam_break_rate is to be at least 0.5 and at most 0.1; no value is both",
        ),
    ],
)
def test_a_name_that_is_no_metric_is_refused_with_the_nearest_and_so_is_one_bound_twice(gate: list[dict], sentence: str) -> None:
    with pytest.raises(UserError, match=f"^params.yaml: evaluate.gate: {sentence}"):
        judge(gate, FIGURES)


def test_what_is_written_is_flat_numbers_and_is_read_as_it_was(tmp_path: Path) -> None:
    written = flat(judge(GATE, FIGURES))
    assert fault("metrics", written) is None
    assert written == {
        "passed": 0,
        "bounds": 2,
        "failed": 1,
        "tuned.redteam_break_rate.value": 0.25,
        "tuned.redteam_break_rate.max": 0.1,
        "tuned.redteam_break_rate.passed": 0,
        "tuned.in_character_rate.value": 0.9,
        "tuned.in_character_rate.min": 0.9,
        "tuned.in_character_rate.max": 1,
        "tuned.in_character_rate.passed": 1,
    }
    (tmp_path / "gate.json").write_text(json.dumps(written))
    assert read(tmp_path / "gate.json") == judge(GATE, FIGURES)


def gate_file(folder: Path, gate: list[dict]) -> Path:
    (folder / "gate.json").write_text(json.dumps(flat(judge(gate, FIGURES))))
    return folder / "gate.json"


def test_a_model_that_fails_is_refused_by_every_bound_that_is_not_forced_by_its_name(tmp_path: Path) -> None:
    path = gate_file(tmp_path, [*GATE, {"metric": "tuned.empty_rate", "min": 0.5}])
    with pytest.raises(UserError, match="the model fails tuned.redteam_break_rate is 0.25; at most 0.1; tuned.empty_rate is 0; at least 0.5: "):
        refuse(path=path)
    with pytest.raises(UserError, match="the model fails tuned.empty_rate is 0; at least 0.5: train a better one, or force"):
        refuse(["tuned.redteam_break_rate"], path)
    assert [bound.metric for bound in refuse(["tuned.redteam_break_rate", "tuned.empty_rate"], path)] == ["tuned.redteam_break_rate", "tuned.empty_rate"]


def test_a_model_that_passes_is_let_through_and_nothing_can_be_forced_on_it(tmp_path: Path) -> None:
    path = gate_file(tmp_path, GATE[1:])
    assert refuse(path=path) == []
    with pytest.raises(UserError, match="tuned.in_character_rate cannot be forced; the failed bounds are those of no metric"):
        refuse(["tuned.in_character_rate"], path)
    assert refuse(path=gate_file(tmp_path, [])) == []


@pytest.mark.parametrize(
    "content",
    [
        None,
        "{}",
        "[]",
        '{"passed": 1, "bounds": 2}',
        '{"passed": 1, "bounds": 0}',
        '{"passed": 1, "bounds": 1, "failed": 0, "a.value": "x", "a.passed": 1}',
        '{"passed": 1, "bounds": 1, "failed": 0, "a.value": 2, "a.max": 1, "a.passed": 1}',
    ],
)
def test_a_gate_that_was_not_written_by_the_stage_lets_nobody_through(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "gate.json").write_text(content)
    with pytest.raises(UserError, match="gate.json: (no such file|not what the evaluate stage writes)"):
        refuse(path=tmp_path / "gate.json")


def with_gate(folder: Path, gate: list[dict]) -> Path:
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    params["evaluate"]["gate"] = gate
    yaml.dump(params, folder / "params.yaml")
    return folder


def test_the_stage_ends_well_though_the_gate_is_closed_and_the_page_says_so(tmp_path: Path) -> None:
    run = evaluate(with_gate(lay_out(tmp_path, records()), GATE))
    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / "metrics/gate.json").read_text())["failed"] == 1  # tuned breaks in 3 of 12
    page = (tmp_path / "reports/evaluation.html").read_text(encoding="utf-8")
    assert "<b>The gate is closed:</b> 1 of 2 bounds is not kept." in page
    assert "<b>not kept</b>: tuned.redteam_break_rate is 0.25; at most 0.1" in page


def test_the_stage_refuses_a_metric_that_it_does_not_have_and_writes_nothing(tmp_path: Path) -> None:
    run = evaluate(with_gate(lay_out(tmp_path, records()), [{"metric": "tuned.perplexiti", "max": 100}]))
    assert run.returncode == 1
    assert run.stderr == "error: params.yaml: evaluate.gate: no metric tuned.perplexiti in this evaluation; the nearest name is tuned.perplexity\n"
    assert not (tmp_path / "metrics/gate.json").exists() and not (tmp_path / "metrics/evaluate.json").exists()


@pytest.mark.parametrize(
    "bound", [{"metric": "tuned.perplexity"}, {"max": 1}, {"metric": "tuned.perplexity", "most": 1}, {"metric": "tuned.perplexity", "max": "1"}]
)
def test_a_bound_without_a_metric_or_an_end_is_refused_by_the_schema(tmp_path: Path, bound: dict) -> None:
    run = evaluate(with_gate(lay_out(tmp_path, records()), [bound]))
    assert run.returncode == 1 and run.stderr.startswith("error: params.yaml: ") and "evaluate.gate.0" in run.stderr and run.stderr.count("\n") == 1


def test_the_gate_as_shipped_names_metrics_that_an_evaluation_as_shipped_has(tmp_path: Path) -> None:
    run = evaluate(lay_out(tmp_path, as_shipped()))
    assert run.returncode == 0, run.stderr
    gate = json.loads((tmp_path / "metrics/gate.json").read_text())
    assert gate["bounds"] >= 5 and gate["tuned.copied_rate.passed"] == 0 and gate["tuned.in_character_rate.passed"] == 1
