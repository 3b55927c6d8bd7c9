"""Of chats that say the same, one stays."""

from __future__ import annotations

from stages.common.chats import normal

# Of equal chats the one nearest to a human hand stays.
PREFERENCE = ("gold", "log", "import", "book", "synthetic")


def key(chat: dict) -> str:
    """What makes two chats exact duplicates: all turns, without case, punctuation and spacing."""
    return "\n".join(normal(turn["value"]) for turn in chat["conversations"] if turn["from"] != "system")


def duplicates(chats: list[dict]) -> dict[str, str]:
    """Of chats with the same words, the ids to drop, each with the id that is kept."""
    kept: dict[str, str] = {}
    dropped: dict[str, str] = {}
    for chat in sorted(chats, key=lambda c: (PREFERENCE.index(c["source"]["kind"]), c["id"])):
        if (first := kept.setdefault(key(chat), chat["id"])) != chat["id"]:
            dropped[chat["id"]] = first
    return dropped
