"""Chats made for tests, and the words to make them from."""

from __future__ import annotations

import json
from collections.abc import Iterable

from stages.common.chats import chat_id
from stages.common.holdout import split_of

HOLDOUT = {"seed": 1895, "validation": 0.1, "test": 0.2}


def make_chat(*said: str, character: str = "sherlock-holmes", kind: str = "gold", **source: object) -> dict:
    """A whole chat record from what visitor and character say in turn, the visitor first."""
    turns = [{"from": speaker, "value": value} for speaker, value in zip(["human", "gpt"] * len(said), said, strict=False)]
    return {
        "id": chat_id(character, kind, turns),
        "character": character,
        "conversations": [{"from": "system", "value": "You are Sherlock Holmes."}, *turns],
        "source": {"kind": kind, "license": "CC-BY-4.0", **source},
    }


def prose(number: int, words: int = 20) -> str:
    """That many words, none twice, none in the prose of another number."""
    return " ".join(f"word{number}n{place}" for place in range(words))


def plain_chat(number: int, **other: object) -> dict:
    """A chat that every rule lets pass and that shares nothing with the one of another number."""
    return make_chat(f"Question {number}?", prose(number), **other)


def chats_in(split: str, count: int, **holdout: float) -> list[dict]:
    """Plain gold chats that the hold-out gives to one split."""
    found, number = [], 0
    while len(found) < count:
        if split_of(chat := plain_chat(number), **{**HOLDOUT, **holdout}) == split:
            found.append(chat)
        number += 1
    return found


def gold_line(*said: str, **other: object) -> str:
    """A line of a gold file, as people write it."""
    turns = [{"from": speaker, "value": value} for speaker, value in zip(["human", "gpt"] * len(said), said, strict=False)]
    return json.dumps({**other, "conversations": turns}, ensure_ascii=False)


def jsonl(records: Iterable[dict]) -> str:
    """The text of a JSONL file."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
