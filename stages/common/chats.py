"""The chat record: what one is made of, its id, and its parts."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import read_lines
from stages.common.schemas import fault

# What chat templates write between turns. A tokenizer makes control tokens of it wherever it stands, also inside somebody's words.
CONTROL = re.compile(
    r"<[|\uff5c][^|\uff5c<>\s]{1,40}[|\uff5c]>|</?s>|</?think>|<(?:start|end)_of_turn>|<extra_id_\d{1,3}>|<<?/?SYS>>?|"
    r"\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]"
)


def chat_id(character: str, kind: str, conversations: list[dict]) -> str:
    """A stable id from content, never from position: `CHARACTER-KIND-` and 12 hex digits of SHA-256 over all turns but the system's.

    The system prompt is left out so that a change of the card keeps every chat's name.
    """
    turns = [[turn["from"], turn["value"]] for turn in conversations if turn["from"] != "system"]
    digest = hashlib.sha256(json.dumps([character, turns], ensure_ascii=False).encode()).hexdigest()
    return f"{character}-{kind}-{digest[:12]}"


def read(path: str | Path) -> list[dict]:
    """All chats of a file that a stage wrote. Raises UserError with file and line where one does not fit the schema."""
    chats = []
    for number, value in read_lines(path):
        problem = str(value) if isinstance(value, ValueError) else fault("chat", value) or out_of_turn(value)
        if problem:
            raise UserError(f"{path}:{number}: {problem}")
        chats.append(value)
    return chats


def parse(line: bytes) -> dict:
    """The chat of a line. Raises ValueError, one sentence, where it is none."""
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte {line[error.start]:#x}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from None
    except RecursionError as error:
        raise ValueError(f"not JSON: {error}") from None
    if problem := fault("chat", value) or out_of_turn(value):
        raise ValueError(problem)
    return value


def out_of_turn(chat: dict) -> str | None:
    """None where a system turn stands first, then human and gpt in turn, else one sentence. A replayed chat, which is no character's, may do without the first."""
    speakers = [turn["from"] for turn in chat["conversations"]]
    if chat["source"]["kind"] == "replay" and speakers[0] != "system":
        speakers.insert(0, "system")
    if speakers == ["system", *["human", "gpt"] * (len(speakers) // 2)] and len(speakers) > 1:
        return None
    return f"conversations: {', '.join(speakers)}, not system first, then human and gpt in turn"


def spoken(chat: dict, speaker: str) -> list[str]:
    """What one side said, in order; `speaker` is "human", "gpt" or "system"."""
    return [turn["value"] for turn in chat["conversations"] if turn["from"] == speaker]


def opening(chat: dict) -> str:
    """The first human turn."""
    return spoken(chat, "human")[0]


# What str.casefold and [^\W_] make of ASCII, in a third of the time. An underscore is a mark: _so_ people write what is stressed.
_ASCII = bytes(ord(chr(code).lower()) if chr(code).isalnum() else ord(" ") for code in range(128)) + bytes(128)


def normal(text: str) -> str:
    """The text without what does not make it another text: case, punctuation, spacing, Unicode form."""
    return " ".join(normal_words(text))


def normal_words(text: str) -> list[str]:
    """The words of the text in normal form."""
    if text.isascii():
        return text.encode().translate(_ASCII).decode().split()
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold())


def words(text: str) -> int:
    """The number of words, counted by white space, as the length limits count them."""
    return len(text.split())
