"""Plain assistant chats, without a character: training on some of them keeps what the base model can do (experience replay; de Masson d'Autume et al. 2019).

They have no system turn of ours: the base's chat template then puts in its own, and that is the behaviour that is not to be forgotten.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stages.common.chats import CONTROL, chat_id, out_of_turn
from stages.common.errors import UserError
from stages.common.files import read_lines
from stages.common.schemas import fault
from stages.split.columns import hashed
from stages.split.draw import ranks

FOLDER = Path("data/replay")
CHARACTER = "plain"  # stands where a character's name stands; there is no such card


def files(folder: Path = FOLDER) -> list[Path]:
    """Its files of chats. Raises UserError for anything else in it that is neither hidden nor a text about them, or a user's chats would be left out in silence."""
    found = sorted(path for path in folder.glob("*") if not path.name.startswith(".") and path.suffix not in (".md", ".txt"))
    if others := [path for path in found if path.suffix != ".jsonl" or not path.is_file()]:
        raise UserError(f"{others[0]}: not read; plain chats stand in files {folder}/*.jsonl")
    return found


def read(folder: Path = FOLDER) -> Iterator[dict]:
    """The chat records of all files of the folder. Raises UserError with file and line where one does not fit schemas/replay.schema.json."""
    for file in files(folder):
        for line, value in read_lines(file):
            problem = str(value) if isinstance(value, ValueError) else fault("replay", value)
            if not problem:
                chat = record(value, str(file), line)
                problem = out_of_turn(chat) or _control(chat)
            if problem:
                raise UserError(f"{file}:{line}: {problem}")
            yield chat


def record(value: dict, file: str, line: int) -> dict:
    """The chat record of a line."""
    turns = value["conversations"]
    return {
        "id": chat_id(CHARACTER, "replay", turns),
        "character": CHARACTER,
        **({"topic": value["topic"]} if "topic" in value else {}),
        "conversations": turns,
        "source": {"kind": "replay", "file": file, "line": line, "license": value["license"]},
    }


def _control(chat: dict) -> str | None:
    for number, turn in enumerate(chat["conversations"]):
        if CONTROL.search(turn["value"]):
            return f"conversations.{number}: a token that opens or ends turns; expected words"
    return None


def candidates(seed: int, count: int, folder: Path = FOLDER) -> list[dict]:
    """The first `count` chats in the order in which they are drawn, each once. Raises UserError where there is none."""
    one_each = {}

    def ranked() -> Iterator[tuple[int, str, dict]]:
        for chat in read(folder):
            if chat["id"] not in one_each:
                one_each[chat["id"]] = None
                yield int(ranks(np.array([hashed(chat["id"])], np.uint64), seed)[0]), chat["id"], chat

    first = [chat for _, _, chat in heapq.nsmallest(count, ranked(), key=lambda one: one[:2])]
    if not one_each:
        raise UserError(f"split.replay_share is set and {folder} has no chat: put files of schemas/replay.schema.json there, one chat a line")
    return first
