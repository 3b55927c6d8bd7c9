"""What a reject of split says: which chat of which split it comes too near, and by what."""

from __future__ import annotations

from stages.common.chats import normal, opening, spoken
from stages.split.columns import RUN
from stages.split.partition import NEAR, OPENING, REPLY, Leak


def leaked(chat: dict, home: str, leak: Leak, held: dict, split: str, near: float) -> dict:
    """The reject of a chat of split `home` that has something of the chat `held` of `split`."""
    expected = f"nothing of {split} chat {held['id']} in {home}"
    if leak.what == NEAR:
        expected = f"less than {near:g} of the trigrams of {split} chat {held['id']} in {home}"
    return {
        "id": chat["id"],
        "rule": "leak",
        "found": round(leak.similarity, 4) if leak.what == NEAR else words(chat, leak.what, held),
        "expected": expected,
        "chat": chat,
    }


def over_limit(chat: dict, limit: int) -> dict:
    """The reject of a chat that was not drawn."""
    return {"id": chat["id"], "rule": "train_limit", "found": "not drawn", "expected": f"{limit} training chats (split.train_limit)", "chat": chat}


def words(chat: dict, what: str, held: dict) -> str:
    """The first words that both chats have, in normal form: the opening, a reply or a run of a turn."""
    views = {
        OPENING: lambda one: [normal(opening(one))],
        REPLY: lambda one: list(map(normal, spoken(one, "gpt"))),
    }
    view = views.get(what, runs)
    there = set(view(held))
    return next(text for text in view(chat) if text in there)


def runs(chat: dict) -> list[str]:
    """Every RUN words in a row of a turn, in normal form."""
    turns = [normal(turn["value"]).split() for turn in chat["conversations"] if turn["from"] != "system"]
    return [" ".join(turn[first : first + RUN]) for turn in turns for first in range(len(turn) - RUN + 1)]
