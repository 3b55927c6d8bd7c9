"""A stage reads what dvc.yaml lists for it, and a wrong parameter is one sentence."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from stages.common.errors import UserError
from stages.common.params import load, read_yaml
from tests.project import ROOT

PARAMETERS = (ROOT / "params.yaml").read_text(encoding="utf-8")
STAGES = list(read_yaml(ROOT / "dvc.yaml")["stages"])


def changed(folder: Path, name: str, value: str | None) -> Path:
    """params.yaml with one value, in YAML, put in place of another; None takes the line out."""
    *group, key = name.split(".")
    indent = "  " if group else ""
    line = "" if value is None else f"{indent}{key}: {value}\n"
    text, count = re.subn(rf"^{indent}{key}:.*\n", lambda _: line, PARAMETERS, count=1, flags=re.MULTILINE) if not group else within(group[0], key, line)
    assert count == 1, name
    return laid_out(folder, text)


def within(group: str, key: str, line: str) -> tuple[str, int]:
    start = re.search(rf"^{group}:.*\n", PARAMETERS, re.MULTILINE).end()
    head, tail = PARAMETERS[:start], PARAMETERS[start:]
    tail, count = re.subn(rf"^  {key}:.*\n", lambda _: line, tail, count=1, flags=re.MULTILINE)
    return head + tail, count


def laid_out(folder: Path, text: str | bytes) -> Path:
    shutil.copy(ROOT / "dvc.yaml", folder)
    (folder / "params.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def refusal(folder: Path, stage: str = "curate") -> str:
    with pytest.raises(UserError) as caught:
        load(stage, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_can_read_every_parameter_that_it_declares(stage: str) -> None:
    params = load(stage, ROOT)
    assert len(params) == len(list(params)) > 0
    flat = read_yaml(ROOT / "params.yaml")
    for name in params:
        expected = flat
        for part in name.split("."):
            expected = expected[part]
        assert params[name] == expected


@pytest.mark.parametrize("name", ["filter.min_words", "lora_r", "holdout", "holdout.seedling", "curate.user"])
def test_reading_a_parameter_that_the_stage_does_not_declare_fails_at_once(name: str) -> None:
    with pytest.raises(UserError) as caught:
        load("split", ROOT)[name]
    assert str(caught.value) == f"stage split reads the parameter {name}, which its params in dvc.yaml do not list"


def test_what_lies_under_a_declared_parameter_may_be_read(tmp_path: Path) -> None:
    laid_out(tmp_path, re.sub(r"^axolotl: .*", "axolotl: {loraplus_lr_ratio: 16}", PARAMETERS, flags=re.MULTILINE))
    assert load("train", tmp_path)["axolotl.loraplus_lr_ratio"] == 16


@pytest.mark.parametrize("written, number", [("2e-4", 0.0002), ("2e-05", 0.00002), ("2.0e-4", 0.0002), ("1E-3", 0.001), ("0.0002", 0.0002)])
def test_every_way_to_write_a_learning_rate_is_a_number(tmp_path: Path, written: str, number: float) -> None:
    assert load("train", changed(tmp_path, "learning_rate", written))["learning_rate"] == number


@pytest.mark.parametrize(
    "name, value, shown, allowed",
    [
        ("lora_r", "0", "0", '"minimum": 1'),
        ("lora_r", "1024", "1024", '"maximum": 512'),
        ("lora_r", "sixteen", '"sixteen"', '"type": "integer"'),
        ("lora_r", "16.5", "16.5", '"type": "integer"'),
        ("lora_r", "true", "true", '"type": "integer"'),
        ("lora_r", "null", "null", '"type": "integer"'),
        ("learning_rate", "0", "0", '"exclusiveMinimum": 0'),
        ("learning_rate", "fast", '"fast"', '"type": "number"'),
        ("adapter", "dora", '"dora"', '"enum": ["lora", "qlora"]'),
        ("lora_target_modules", "[]", "[]", '"minItems": 1'),
        ("base_model", '""', '""', '"minLength": 1'),
        ("base_model_revision", "main", '"main"', '"pattern": "^[0-9a-f]{40}$"'),
        ("holdout.test", "0.9", "0.9", '"maximum": 0.4'),
        ("holdout.test", "-0.1", "-0.1", '"exclusiveMinimum": 0'),
        ("filter.min_words", "0", "0", '"minimum": 1'),
        ("filter.max_repeated_in_reply", "1.01", "1.01", '"maximum": 1'),
        ("synthesize.request", "{stream: true}", '"stream"', '"enum": ["model", "messages", "n", "stream", "response_format"]'),
        ("curate.use", "gold", '"gold"', '"type": ["array", "null"]'),
        ("synthesize.base_url", "ftp://here", '"ftp://here"', '"pattern": "^https?://"'),
    ],
)
def test_a_value_out_of_range_is_one_sentence_with_key_value_and_what_is_allowed(tmp_path: Path, name: str, value: str, shown: str, allowed: str) -> None:
    said = refusal(changed(tmp_path, name, value))
    assert said.startswith(f"params.yaml: {name} is {shown}; allowed: ")
    assert allowed in said


def test_an_unknown_kind_of_source_is_one_sentence_with_the_kinds_there_are(tmp_path: Path) -> None:
    said = refusal(changed(tmp_path, "curate.use", "[gold, bok]"))
    assert said == 'params.yaml: curate.use.1 is "bok"; allowed: "enum": ["gold", "log", "import", "book"]'


@pytest.mark.parametrize("name", ["learning_rate", "max_grad_norm", "holdout.test", "synthesize.temperature"])
@pytest.mark.parametrize("value", [".nan", ".inf"])
def test_a_number_must_be_finite(tmp_path: Path, name: str, value: str) -> None:
    assert name in refusal(changed(tmp_path, name, value))


@pytest.mark.parametrize("name, value", [("lora_r", "16.0"), ("synthesize.chats", "48.0"), ("evaluate.bootstrap", "1e4"), ("holdout.seed", "1895.0")])
def test_a_whole_number_written_with_a_point_never_reaches_a_stage_as_a_float(tmp_path: Path, name: str, value: str) -> None:
    """range(48.0) is a traceback, and seed 1895.0 hashes to another test set than 1895."""
    stage = {"lora_r": "train", "synthesize.chats": "synthesize", "evaluate.bootstrap": "evaluate", "holdout.seed": "split"}[name]
    changed(tmp_path, name, value)
    try:
        found = load(stage, tmp_path)[name]
    except UserError as refused:
        assert str(refused).startswith(f"params.yaml: {name} is ")
    else:
        assert type(found) is int


def test_a_date_where_text_belongs_is_refused_in_one_sentence(tmp_path: Path) -> None:
    assert refusal(changed(tmp_path, "curate.user", "2024-01-01")).startswith("params.yaml: curate.user is ")


def test_an_unknown_parameter_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    said = refusal(laid_out(tmp_path, PARAMETERS + "lora_rank: 16\n"))
    assert said.startswith("params.yaml: unknown parameter lora_rank; allowed here: adapter, answer, axolotl, ")
    assert ", lora_r, " in said


def test_an_unknown_parameter_in_a_group_is_named_with_its_group(tmp_path: Path) -> None:
    said = refusal(laid_out(tmp_path, PARAMETERS.replace("  min_words: 8", "  min_words: 8\n  min_word: 9", 1)))
    assert said.startswith("params.yaml: unknown parameter filter.min_word; allowed here: languages, length_target, ")
    assert said.endswith(", min_words, near_duplicate, off, seed")


def test_names_that_are_no_text_are_unknown_parameters_too(tmp_path: Path) -> None:
    assert "unknown parameter" in refusal(laid_out(tmp_path, PARAMETERS + "7: a\nseven: b\n"))


@pytest.mark.parametrize("name", ["lora_r", "filter.max_words", "holdout.seed"])
def test_a_missing_parameter_is_named(tmp_path: Path, name: str) -> None:
    assert refusal(changed(tmp_path, name, None)) == f"params.yaml: missing parameter {name}"


def test_a_mistake_in_the_yaml_is_named_with_file_and_line(tmp_path: Path) -> None:
    line = PARAMETERS[: PARAMETERS.index("lora_r:")].count("\n") + 1
    said = refusal(laid_out(tmp_path, PARAMETERS.replace("lora_r: 16", "lora_r: [16", 1)))
    found = re.match(r".*params\.yaml:(\d+): not YAML: ", said)
    assert found and int(found[1]) >= line


def test_a_parameter_given_twice_is_named_with_its_line(tmp_path: Path) -> None:
    line = (PARAMETERS + "lora_r: 32\n").count("\n")
    assert f"params.yaml:{line}: not YAML: " in refusal(laid_out(tmp_path, PARAMETERS + "lora_r: 32\n"))


@pytest.mark.parametrize(
    "content",
    [PARAMETERS.encode() + b"# caf\xe9\n", PARAMETERS.encode() + b"# \x00\n", b"", b"- a\n- b\n"],
    ids=["latin-1", "NUL", "empty", "list"],
)
def test_a_file_that_holds_no_parameters_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    assert "params.yaml" in refusal(laid_out(tmp_path, content))


def test_a_missing_file_and_a_missing_stage_are_one_sentence(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path / 'params.yaml'}: no such file"
    assert refusal(laid_out(tmp_path, PARAMETERS), "publish") == "dvc.yaml has no stage publish"
