"""The characters of data/characters: their cards as stages use them, the macros in them, and what a model is told before a chat."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from stages.common import card_files, cards, lorebook
from stages.common.chats import CONTROL
from stages.common.errors import UserError

FOLDER = Path("data/characters")
SUFFIXES = (".json", ".png", ".charx")
NAME = re.compile(r"[a-z0-9-]+")
TOLD = ("name", "nickname", "system_prompt", "description", "personality", "scenario")  # what of a card a model is told, beside its lorebook


def read(path: str | Path) -> dict:
    """The normal form (`cards.normal`) of one character card, V1, V2 or V3, in a JSON, PNG or CHARX file.

    Raises UserError with the file where there is no card in it, or one that says nothing of the character.
    """
    card = usable(card_files.read(path).card, str(path))
    if not NAME.fullmatch(Path(path).stem):
        raise UserError(f"{path}: a character's file name has only a-z, 0-9 and hyphens")
    return card


def usable(card: object, where: str) -> dict:
    """The normal form of a card as it lies in a file. Raises UserError that begins with `where` where it cannot make a character."""
    data = cards.normal(cards.checked(card, where))
    if not any(data[field].strip() for field in ("system_prompt", "description", "personality", "scenario")):
        raise UserError(f"{where}: system_prompt, description, personality and scenario are all empty: nothing says who the character is")
    if problem := lorebook.fault(data.get("character_book") or {}):
        raise UserError(f"{where}: {problem}")
    for field, text in [*((field, data.get(field, "")) for field in TOLD), *(("character_book", one["content"]) for one in _entries(data))]:
        if found := CONTROL.search(text):
            raise UserError(f"{where}: {field}: a token that opens or ends turns, {found[0]!r}; expected words")
    return data


def _entries(data: dict) -> list[dict]:
    return (data.get("character_book") or {}).get("entries", [])


def read_all(folder: str | Path = FOLDER) -> dict[str, dict]:
    """All cards of a folder by file name without suffix, in alphabetical order. Raises UserError where there is none, or two have one name."""
    files: dict[str, Path] = {}
    for path in sorted(path for suffix in SUFFIXES for path in Path(folder).glob(f"*{suffix}")):
        if path.stem in files:
            raise UserError(f"{path}: {files[path.stem].name} is a card of the same character; expected one file a character")
        files[path.stem] = path
    if not files:
        raise UserError(f"{folder}: no character card (*.json), nor one in a picture (*.png) or an archive (*.charx)")
    return {name: read(files[name]) for name in sorted(files)}


def spoken_name(card: dict) -> str:
    """The name that {{char}} stands for: the card's nickname, where it has one, else its name."""
    nickname = card.get("nickname", "")
    return nickname if nickname.strip() else card["name"]


def fill(text: str, char: str, user: str) -> str:
    """Replace the macros {{char}}, {{user}}, <CHAR>, <BOT> and <USER>, in any case, by names."""
    text = re.sub(r"\{\{char\}\}|<bot>|<char>", lambda _: char, text, flags=re.IGNORECASE)
    return re.sub(r"\{\{user\}\}|<user>", lambda _: user, text, flags=re.IGNORECASE)


def system_prompt(card: dict, user: str, said: Sequence[str] = ()) -> str:
    """What the model is told before a chat: the card's system prompt, else its description, personality and scenario, macros filled.

    On lines of their own stand before and after it the entries of the lorebook that apply to the messages `said`: with none, the constant ones.
    """
    text = card["system_prompt"].strip() or "\n".join(filter(None, [card["description"], card["personality"], card["scenario"]]))
    book = card.get("character_book")
    before, after = lorebook.around(book, said) if book else ([], [])
    return fill("\n".join([*before, text, *after]), spoken_name(card), user).strip()
