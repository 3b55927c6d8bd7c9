"""The questions about a character's world in data/prompts/world.jsonl: answer asks them, evaluate knows what is accepted."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from stages.common.errors import UserError
from stages.common.prompt_files import records

KINDS = {"fact": ("who", "where", "what"), "unknowable": ("after-his-time", "beyond-his-story", "false-premise")}
"""The topics of each kind: what a character should know, and what he cannot know."""


def read(path: str | Path, cards: Collection[str]) -> list[dict]:
    """The questions of a file, as schemas/world.schema.json has them, each for one character of `cards`.

    Raises UserError with file and line where a line is no such question, or where there is none.
    """
    questions = []
    for where, value in records(path, "world", "question"):
        if value["character"] not in cards:
            raise UserError(f"{where}: the question is for {value['character']!r}, who has no card; data/characters has {', '.join(sorted(cards))}")
        for form in value.get("accepted", []) + value.get("invented", []):
            if not any(letter.isalnum() for letter in form):
                raise UserError(f"{where}: the form {form!r} has no letter and no digit; expected words that an answer can hold")
        questions.append(value)
    return questions
