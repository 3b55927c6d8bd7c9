"""The plain questions: read with their faults told, asked without a system turn."""

from __future__ import annotations

import json

import pytest

from stages.common.errors import UserError
from stages.common.plain_questions import EXAMPLES, messages, read

QUESTION = {"id": "plain-001", "topic": "capitals", "prompt": "What is the capital of France?", "answers": ["Paris"]}


def written(folder, *lines: object) -> str:
    path = folder / "plain.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return str(path)


def test_questions_are_read_in_their_order(tmp_path) -> None:
    other = {**QUESTION, "id": "plain-000"}
    assert read(written(tmp_path, QUESTION, other)) == [QUESTION, other]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["{"], ":1: not JSON"),
        ([QUESTION, {**QUESTION, "id": "plain-002", "answers": []}], ":2: answers"),
        ([{**QUESTION, "answers": ["?"]}], ":1: answers.0"),
        ([{key: QUESTION[key] for key in ("id", "topic", "prompt")}], ":1: 'answers' is a required property"),
        ([{**QUESTION, "character": "sherlock-holmes"}], ":1: .*'character' was unexpected"),
        ([QUESTION, QUESTION], ":2: id plain-001 is a question's before"),
        ([], ": no question"),
    ],
)
def test_a_fault_is_told_with_file_and_line(tmp_path, lines: list, problem: str) -> None:
    with pytest.raises(UserError, match=f"plain.jsonl{problem}"):
        read(written(tmp_path, *lines))


def test_a_question_comes_after_the_examples_and_without_a_system_turn() -> None:
    found = messages(QUESTION)
    assert [turn["role"] for turn in found] == ["user", "assistant"] * len(EXAMPLES) + ["user"]
    assert found[-1]["content"] == QUESTION["prompt"] and found[1]["content"] == EXAMPLES[0][1]
