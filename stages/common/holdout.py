"""Which split a chat belongs to: one pure function, asked before anything is shown to a teacher or a trainer."""

from __future__ import annotations

import hashlib

from stages.common.chats import normal, opening

SPLITS = ("train", "validation", "test")


def group(chat: dict) -> str:
    """What goes to one split: a scene of a book, one user's logs or a conversation, where curate knew one, else chats with one opening turn."""
    return chat["source"].get("group") or normal(opening(chat))


def split_of(chat: dict, seed: int, validation: float, test: float) -> str:
    """The split of a gold, log, book or import chat; synthetic and replayed chats are always "train".

    A uniform number in [0, 1) from SHA-256 over seed, character, source kind and group: it depends on nothing but the chat
    itself, so a new chat never moves an old one to another split.
    """
    if chat["source"]["kind"] in ("synthetic", "replay"):
        return "train"
    key = "\n".join([str(seed), chat["character"], chat["source"]["kind"], group(chat)])
    share = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
    return "test" if share < test else "validation" if share < test + validation else "train"
