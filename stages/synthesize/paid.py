"""The raw answers: in this machine's store, and in a file of the pipeline, from which another machine fills its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from stages.common import environments
from stages.common.answer_store import Answer, AnswerStore
from stages.common.errors import UserError
from stages.common.files import read_jsonl, write_jsonl

ANSWERS = Path("data/synthetic/answers.jsonl")


def store() -> AnswerStore:
    """The machine's store of answers, with those that the last run of the pipeline had, wherever it ran. Raises UserError where either cannot be read."""
    answers = AnswerStore(environments.state("answers") / "answers.sqlite")
    if ANSWERS.exists() and (new := answers.put(read(ANSWERS))):
        print(f"{new} answers of {ANSWERS} are in this machine's store now", flush=True)
    return answers


def read(path: Path) -> dict[str, Answer]:
    """The answers of a file by key. Raises UserError with file and row where one is none."""
    found = {}
    for number, row in enumerate(read_jsonl(path), start=1):
        try:
            name, answer = row["key"], Answer(row["text"], row["finish"], row["prompt_tokens"], row["completion_tokens"])
        except (KeyError, TypeError):
            raise UserError(f"{path}: row {number} is no answer; expected key, text, finish, prompt_tokens and completion_tokens") from None
        if [type(value) for value in (name, *vars(answer).values())] != [str, str, str, int, int]:
            raise UserError(f"{path}: row {number} is no answer: expected three texts and two counts")
        found[name] = answer
    return found


def keep(answers: Iterable[tuple[int, str, Answer]]) -> None:
    """Write (number of the request, key, answer) of each answer of this run's requests."""
    write_jsonl(ANSWERS, ({"request": number, "key": name, **vars(answer)} for number, name, answer in answers))
