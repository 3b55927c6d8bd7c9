"""Character Card V2 files, and the macros in them."""

from __future__ import annotations

import re
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import read_json
from stages.common.schemas import fault

FOLDER = Path("data/characters")
NAME = re.compile(r"[a-z0-9-]+")


def read(path: str | Path) -> dict:
    """The `data` of one card. Raises UserError with the file where it is not a Character Card V2."""
    card = read_json(path)
    if problem := fault("character-card", card):
        raise UserError(f"{path}: not a Character Card V2: {problem}")
    if not NAME.fullmatch(Path(path).stem):
        raise UserError(f"{path}: a character's file name has only a-z, 0-9 and hyphens")
    data = card["data"]
    if not any(data[field].strip() for field in ("system_prompt", "description", "personality", "scenario")):
        raise UserError(f"{path}: system_prompt, description, personality and scenario are all empty: nothing says who the character is")
    return data


def read_all(folder: str | Path = FOLDER) -> dict[str, dict]:
    """All cards of a folder by file name without `.json`, in alphabetical order. Raises UserError where there is none."""
    cards = {path.stem: read(path) for path in sorted(Path(folder).glob("*.json"))}
    if not cards:
        raise UserError(f"{folder}: no character card (*.json); a character is one Character Card V2 JSON file")
    return cards


def fill(text: str, char: str, user: str) -> str:
    """Replace the macros {{char}}, {{user}}, <BOT> and <USER>, in any case, by names."""
    text = re.sub(r"\{\{char\}\}|<bot>", lambda _: char, text, flags=re.IGNORECASE)
    return re.sub(r"\{\{user\}\}|<user>", lambda _: user, text, flags=re.IGNORECASE)


def system_prompt(card: dict, user: str) -> str:
    """What the model is told before a chat: the card's system prompt, else its description and personality, macros filled."""
    text = card["system_prompt"].strip() or "\n".join(filter(None, [card["description"], card["personality"], card["scenario"]]))
    return fill(text, card["name"], user).strip()
