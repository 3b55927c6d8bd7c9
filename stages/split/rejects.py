"""What a reject of split says: which chat of which split it comes too near, and by what."""

from __future__ import annotations

import numpy as np

from stages.common.chats import normal, opening, spoken
from stages.common.shingles import ngrams
from stages.split.columns import RUN_WORDS, passages
from stages.split.partition import NEAR, OPENING, REPLY, Leak


def leaked(chat: dict, home: str, leak: Leak, held: dict, split: str, near: float, common: np.ndarray) -> dict:
    """The reject of a chat of split `home` that has something of the chat `held` of `split`; `near` and `common` as in partition.partition."""
    expected = f"nothing of {split} chat {held['id']} in {home}"
    if leak.what == NEAR:
        expected = f"less than {near:g} of the trigrams of {split} chat {held['id']} in {home}"
    return {
        "id": chat["id"],
        "rule": "leak",
        "found": round(leak.similarity, 4) if leak.what == NEAR else words(chat, leak.what, held, common),
        "expected": expected,
        "chat": chat,
    }


def over_limit(chat: dict, limit: int) -> dict:
    """The reject of a chat that was not drawn."""
    return {"id": chat["id"], "rule": "train_limit", "found": "not drawn", "expected": f"{limit} training chats (split.train_limit)", "chat": chat}


def words(chat: dict, what: str, held: dict, common: np.ndarray) -> str:
    """The first words that both chats have, in normal form: the opening, a reply, or a run that is not `common`."""
    if what == OPENING:
        return normal(opening(chat))
    if what == REPLY:
        there = set(map(normal, spoken(held, "gpt")))
        return next(reply for reply in map(normal, spoken(chat, "gpt")) if reply in there)
    runs, passage = ngrams(passages(chat), RUN_WORDS)
    first = np.flatnonzero(np.isin(runs, ngrams(passages(held), RUN_WORDS)[0]) & ~np.isin(runs, common))[0]
    begin = first - np.searchsorted(passage, passage[first])
    return " ".join(passages(chat)[passage[first]][begin : begin + RUN_WORDS])
