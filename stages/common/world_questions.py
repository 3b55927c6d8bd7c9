"""The questions about a character's world in data/prompts/world.jsonl: answer asks them, evaluate knows what is accepted."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import read_lines
from stages.common.schemas import fault

KINDS = {"fact": ("who", "where", "what"), "unknowable": ("after-his-time", "beyond-his-story", "false-premise")}
"""The topics of each kind: what a character should know, and what he cannot know."""


def read(path: str | Path, cards: Collection[str]) -> list[dict]:
    """The questions of a file, as schemas/world.schema.json has them, each for one character of `cards`.

    Raises UserError with file and line where a line is no such question, or where there is none.
    """
    questions, seen = [], set()
    for number, value in read_lines(path):
        where = f"{path}:{number}"
        if isinstance(value, ValueError):
            raise UserError(f"{where}: {value}")
        if problem := fault("world", value):
            raise UserError(f"{where}: {problem}; expected a question as schemas/world.schema.json has it")
        if value["character"] not in cards:
            raise UserError(f"{where}: the question is for {value['character']!r}, who has no card; data/characters has {', '.join(sorted(cards))}")
        if value["id"] in seen:
            raise UserError(f"{where}: id {value['id']} is a question's before; expected each id once")
        for form in value.get("accepted", []) + value.get("invented", []):
            if not any(letter.isalnum() for letter in form):
                raise UserError(f"{where}: the form {form!r} has no letter and no digit; expected words that an answer can hold")
        seen.add(value["id"])
        questions.append(value)
    if not questions:
        raise UserError(f"{path}: no question; expected at least one")
    return questions
