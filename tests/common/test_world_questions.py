"""What is said of a file of questions about a character's world that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.common.errors import UserError
from stages.common.world_questions import KINDS, read
from tests.project import ROOT

CARDS = {"elizabeth-bennet": {}, "john-silver": {}, "sherlock-holmes": {}}
FACT = {"id": "w-1", "kind": "fact", "topic": "who", "character": "sherlock-holmes", "prompt": "Who?", "accepted": ["Norton"], "source": "A Scandal in Bohemia"}
UNKNOWABLE = {"id": "w-2", "kind": "unknowable", "topic": "false-premise", "character": "john-silver", "prompt": "Why?", "invented": []}


def written(folder: Path, *lines: object) -> Path:
    path = folder / "world.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def without(question: dict, field: str) -> dict:
    return {name: value for name, value in question.items() if name != field}


def test_both_kinds_of_questions_are_read_in_order(tmp_path: Path) -> None:
    assert read(written(tmp_path, FACT, UNKNOWABLE), CARDS) == [FACT, UNKNOWABLE]


def test_every_topic_of_the_schema_is_one_of_the_kinds_and_the_other_way_round() -> None:
    schema = json.loads((ROOT / "schemas/world.schema.json").read_text(encoding="utf-8"))
    assert tuple(schema["properties"]["kind"]["enum"]) == tuple(KINDS)
    assert {"fact": schema["then"], "unknowable": schema["else"]}.keys() == KINDS.keys()
    for kind, part in (("fact", "then"), ("unknowable", "else")):
        assert tuple(schema[part]["properties"]["topic"]["enum"]) == KINDS[kind]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{oops", ":2: not JSON: "),
        ([1], r":2: \[1\] is not of type 'object'; expected a question as schemas/world\.schema\.json has it"),
        (UNKNOWABLE | {"kind": "riddle"}, ":2: kind: 'riddle' is not one of"),
        (UNKNOWABLE | {"topic": "who"}, ":2: topic: 'who' is not one of"),
        (FACT | {"id": "w-3", "topic": "after-his-time"}, ":2: topic: 'after-his-time' is not one of"),
        (without(FACT, "accepted") | {"id": "w-3"}, ":2: 'accepted' is a required property"),
        (without(FACT, "source") | {"id": "w-3"}, ":2: 'source' is a required property"),
        (without(UNKNOWABLE, "invented"), ":2: 'invented' is a required property"),
        (FACT | {"id": "w-3", "accepted": []}, r":2: accepted: \[\] "),
        (FACT | {"id": "w-3", "accepted": "Norton"}, ":2: accepted: 'Norton' is not of type 'array'"),
        (FACT | {"id": "w-3", "accepted": ["?!"]}, r":2: the form '\?!' has no letter and no digit"),
        (FACT | {"id": "w-3", "prompt": " "}, ":2: prompt: ' ' does not match"),
        (UNKNOWABLE | {"accepted": ["x"]}, ":2: Unevaluated properties are not allowed"),
        (UNKNOWABLE | {"note": "x"}, ":2: Unevaluated properties are not allowed"),
        (UNKNOWABLE | {"character": "watson"}, ":2: the question is for 'watson', who has no card; data/characters has elizabeth-bennet, john-silver, sher"),
        (FACT, ":2: id w-1 is a question's before; expected each id once"),
    ],
)
def test_a_line_that_is_no_question_is_one_sentence_with_file_and_line(tmp_path: Path, line: object, said: str) -> None:
    with pytest.raises(UserError, match=rf"world\.jsonl{said}"):
        read(written(tmp_path, FACT, line), CARDS)


def test_a_file_without_a_question_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"world\.jsonl: no question; expected at least one"):
        read(written(tmp_path), CARDS)
