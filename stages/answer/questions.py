"""What is asked of whom: the prompts of a file, and each with every character that it is for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import read_lines


def read(path: str | Path, by: str, cards: Collection[str]) -> list[dict]:
    """The prompts of a file: "id", "prompts", the field `by`, and "character" where they are for one alone, a name of `cards`.

    "prompts" has what the visitor says, turn by turn; a line may have "prompt" instead, where there is one turn. Raises UserError with file and line where a line is neither.
    """
    prompts: list[dict] = []
    for number, value in read_lines(path):
        where = f"{path}:{number}"
        if isinstance(value, ValueError):
            raise UserError(f"{where}: {value}")
        if not isinstance(value, dict) or value.keys() - {"character"} not in ({"id", by, "prompt"}, {"id", by, "prompts"}):
            found = ", ".join(sorted(value)) if isinstance(value, dict) else type(value).__name__
            raise UserError(f"{where}: found {found}; expected an object with id, {by}, prompt or prompts, and perhaps character")
        if "prompts" in value and (not isinstance(value["prompts"], list) or not value["prompts"]):
            raise UserError(f"{where}: prompts is {value['prompts']!r}; expected a list of at least one, turn by turn")
        turns = value.pop("prompts") if "prompts" in value else [value.pop("prompt")]
        for name, field in [*value.items(), *(("prompt", turn) for turn in turns)]:
            if not isinstance(field, str) or not field.strip():
                raise UserError(f"{where}: {name} is {field!r}; expected some words")
        if "character" in value and value["character"] not in cards:
            raise UserError(f"{where}: the prompt is for {value['character']!r}, who has no card; data/characters has {', '.join(sorted(cards))}")
        if any(value["id"] == prompt["id"] for prompt in prompts):
            raise UserError(f"{where}: id {value['id']} is a prompt's before; expected each id once")
        prompts.append(value | {"prompts": turns})
    if not prompts:
        raise UserError(f"{path}: no prompt; expected at least one")
    return prompts


def pose(name: str, prompts: Iterable[dict], by: str, characters: Iterable[str]) -> list[dict]:
    """The questions of the set `name`: each line's prompts to the character that it names, or to all of `characters` where it names none."""
    return [
        {"set": name, "id": prompt["id"], "kind": prompt[by], "character": character, "prompts": prompt["prompts"]}
        for prompt in prompts
        for character in characters
        if prompt.get("character", character) == character
    ]


def about_world(asked: Iterable[dict], characters: Collection[str]) -> list[dict]:
    """The questions of stages.common.world_questions to these characters, as `pose` gives others; "kind" is the topic."""
    return [
        {"set": "world", "id": question["id"], "kind": question["topic"], "character": question["character"], "prompts": [question["prompt"]]}
        for question in asked
        if question["character"] in characters
    ]
