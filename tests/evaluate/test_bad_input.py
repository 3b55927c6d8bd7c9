"""The stage on input that cannot be: one sentence with file and line, and nothing of two runs beside each other."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from stages.common.errors import UserError
from stages.evaluate import inputs
from tests.evaluate.sample import evaluate, lay_out, outputs_of, records, written


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return outputs_of(tmp_path_factory.mktemp("evaluate"), records())


@pytest.mark.parametrize(
    ("file", "change", "sentence"),
    [
        ("answers", {"finish": "eos"}, "answers.jsonl:1: finish is 'eos'; expected one of stop, length"),
        ("answers", {"arm": "merged"}, "answers.jsonl:1: arm is 'merged'; expected one of base, prompted, tuned"),
        ("answers", {"turn": "1"}, "answers.jsonl:1: turn is '1'; expected a value of type int"),
        ("answers", {"answer": None}, "answers.jsonl:1: answer is None; expected a value of type str"),
        ("answers", {"extra": 1}, "answers.jsonl:1: found .*; expected an object with exactly arm, set, id"),
        ("losses", {"nll": float("nan")}, "losses.jsonl:1: nll nan over 10 tokens"),
        ("losses", {"tokens": 0}, "losses.jsonl:1: nll 50.0 over 0 tokens"),
        ("losses", {"character": 7}, "losses.jsonl:1: character is 7; expected a value of type str"),
        ("losses", {"tokens": 9.5}, "losses.jsonl:1: tokens is 9.5; expected a value of type int"),
    ],
)
def test_a_bad_line_is_named_by_file_and_line_with_what_was_found_and_expected(tmp_path: Path, file: str, change: dict, sentence: str) -> None:
    files = records()
    files[f"data/answers/{file}.jsonl"][0] |= change
    lay_out(tmp_path, files)
    with pytest.raises(UserError, match=sentence):
        (inputs.read_answers if file == "answers" else inputs.read_losses)(tmp_path / f"data/answers/{file}.jsonl")


def test_a_file_that_ends_in_the_middle_of_a_line_gets_one_sentence_and_nothing_is_written(tmp_path: Path) -> None:
    path = lay_out(tmp_path, records()) / "data/answers/losses.jsonl"
    path.write_text(path.read_text()[:-30])
    run = evaluate(tmp_path)
    assert run.returncode == 1
    assert run.stderr.startswith("error: data/answers/losses.jsonl:48: not JSON: ")
    assert len(run.stderr.splitlines()) == 1
    assert not written(tmp_path)


@pytest.mark.parametrize(
    ("training", "found"), [({}, "eval_loss|chats is null"), ([], "chats is null"), ({"chats": 3, "loss": 2.0, "eval_loss": "x"}, 'eval_loss is "x"')]
)
def test_a_training_without_its_figures_is_one_sentence_and_what_was_written_stays(
    tmp_path: Path, outputs: dict[str, bytes], training: object, found: str
) -> None:
    assert outputs_of(tmp_path, records()) == outputs
    (tmp_path / "metrics/train.json").write_text(json.dumps(training))
    run = evaluate(tmp_path)
    assert (run.returncode, run.stderr.count("\n")) == (1, 1) and re.search(f"metrics/train.json: ({found}); expected a number", run.stderr), run.stderr
    assert written(tmp_path) == outputs


def test_where_one_file_cannot_be_written_none_is_of_another_run(tmp_path: Path, outputs: dict[str, bytes]) -> None:
    files = records()
    assert outputs_of(tmp_path, files) == outputs
    (tmp_path / "reports/ab-key.json").unlink()
    (tmp_path / "reports/ab-key.json").mkdir()  # a folder in its place: the last of all files
    (tmp_path / "reports/ab-key.json/kept").touch()
    files["data/answers/answers.jsonl"][0]["answer"] += " Ha!"
    run = evaluate(lay_out(tmp_path, files))
    assert run.returncode == 1 and "Traceback" not in run.stderr
    left = written(tmp_path)
    assert all(left.get(name, content) == content for name, content in outputs.items() if name != "reports/ab-key.json")


@pytest.mark.parametrize("nll", [5e6, 1e308, 10**400, -1.0, float("nan"), float("inf")])
def test_nats_that_no_model_can_have_are_one_sentence_with_file_and_line(tmp_path: Path, nll: float) -> None:
    files = records()
    files["data/answers/losses.jsonl"][2]["nll"] = nll
    run = evaluate(lay_out(tmp_path, files))
    assert (run.returncode, run.stderr.count("\n")) == (1, 1) and "data/answers/losses.jsonl:3: " in run.stderr, run.stderr
