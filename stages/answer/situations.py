"""The situations of the simulated conversations: who comes, how he behaves, and with what words he begins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from stages.common.characters import fill, spoken_name
from stages.common.errors import UserError
from stages.common.prompt_files import records

FILE = Path("data/prompts/situations.jsonl")
TALK = "talk"
"""The set's name."""
MANNER = "You are the visitor and never {{char}}. Answer {{char}} in one or two short sentences of plain speech. You offer no help and no advice."
"""How every visitor speaks."""


def read(path: str | Path, cards: Mapping[str, Mapping]) -> list[dict]:
    """The situations of a file, as schemas/situation.schema.json has them, each for everybody or for one character of `cards`.

    Raises UserError with file and line where a line is no such situation, or where there is none.
    """
    found = []
    for where, value in records(path, "situation", "situation"):
        if "character" in value and value["character"] not in cards:
            raise UserError(f"{where}: the situation is for {value['character']!r}, who has no card; data/characters has {', '.join(sorted(cards))}")
        found.append(value)
    return found


def talks(situations: Iterable[dict], cards: Mapping[str, Mapping], characters: Iterable[str]) -> list[dict]:
    """Each situation with every one of `characters` that it is for, as questions.pose gives others; "kind" is the situation, and "visitor" what its visitor is told."""
    return [
        {"set": TALK, "id": one["id"], "kind": one["situation"], "character": character, "prompts": one["prompts"]}
        | {"visitor": fill(f"{one['visitor']} {MANNER}", spoken_name(cards[character]), "the visitor")}
        for one in situations
        for character in characters
        if one.get("character", character) == character
    ]
