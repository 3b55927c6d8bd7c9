"""What is asked of whom: the prompts of a file, and each with every character that it is for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import read_lines


def read(path: str | Path, by: str, cards: Collection[str]) -> list[dict]:
    """The prompts of a file: "id", "prompt", the field `by`, and "character" where a prompt is for one alone, a name of `cards`.

    Raises UserError with file and line where a line is no such prompt.
    """
    prompts = []
    for number, value in read_lines(path):
        where = f"{path}:{number}"
        if isinstance(value, ValueError):
            raise UserError(f"{where}: {value}")
        if not isinstance(value, dict) or value.keys() - {"character"} != {"id", by, "prompt"}:
            found = ", ".join(sorted(value)) if isinstance(value, dict) else type(value).__name__
            raise UserError(f"{where}: found {found}; expected an object with id, {by}, prompt and perhaps character")
        for name, field in value.items():
            if not isinstance(field, str) or not field.strip():
                raise UserError(f"{where}: {name} is {field!r}; expected some words")
        if "character" in value and value["character"] not in cards:
            raise UserError(f"{where}: the prompt is for {value['character']!r}, who has no card; data/characters has {', '.join(sorted(cards))}")
        if any(value["id"] == prompt["id"] for prompt in prompts):
            raise UserError(f"{where}: id {value['id']} is a prompt's before; expected each id once")
        prompts.append(value)
    if not prompts:
        raise UserError(f"{path}: no prompt; expected at least one")
    return prompts


def pose(name: str, prompts: Iterable[dict], by: str, characters: Iterable[str]) -> list[dict]:
    """The questions of the set `name`: each prompt to the character that it names, or to all of `characters` where it names none."""
    return [
        {"set": name, "id": prompt["id"], "kind": prompt[by], "character": character, "prompt": prompt["prompt"]}
        for prompt in prompts
        for character in characters
        if prompt.get("character", character) == character
    ]
