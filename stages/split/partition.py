"""Carries out the hold-out: three lists, and the proof that nothing stands in two of them."""

from __future__ import annotations

from itertools import combinations

from stages.common.chats import normal, opening, spoken
from stages.common.holdout import SPLITS, split_of


def partition(chats: list[dict], seed: int, validation: float, test: float) -> tuple[dict[str, list[dict]], list[dict]]:
    """(chats by split, rejects).

    A chat of train that shares a reply or an opening turn with validation or test is a reject, and one of validation
    that shares one with test: the measurement is worth more than the chat.
    """
    splits: dict[str, list[dict]] = {name: [] for name in SPLITS}
    for chat in chats:
        splits[split_of(chat, seed, validation, test)].append(chat)
    rejects, taken = [], {}
    for name in ("test", "validation", "train"):
        kept = []
        for chat in splits[name]:
            clash = next(((text, taken[text]) for text in texts(chat) if taken.get(text, (name,))[0] != name), None)
            if clash:
                rejects.append(
                    {"id": chat["id"], "rule": "leak", "found": clash[0], "expected": f"nothing of {clash[1][0]} chat {clash[1][1]} in {name}", "chat": chat}
                )
            else:
                kept.append(chat)
        for chat in kept:
            for text in texts(chat):
                taken.setdefault(text, (name, chat["id"]))
        splits[name] = kept
    return splits, rejects


def texts(chat: dict) -> list[str]:
    """What may not stand in two splits: the opening turn and every reply, in normal form."""
    return [normal(opening(chat)), *map(normal, spoken(chat, "gpt"))]


def proof(splits: dict[str, list[dict]]) -> dict[str, int]:
    """The figures that must all be zero: shared chats, replies and openings over each pair of splits, synthetic chats held out."""
    views = {
        "shared_chats": lambda c: [c["id"]],
        "shared_replies": lambda c: [normal(reply) for reply in spoken(c, "gpt")],
        "shared_openings": lambda c: [normal(opening(c))],
    }
    found = {}
    for name, view in views.items():
        sets = {split: {text for chat in members for text in view(chat)} for split, members in splits.items()}
        found[name] = sum(len(sets[a] & sets[b]) for a, b in combinations(SPLITS, 2))
    found["synthetic_held_out"] = sum(c["source"]["kind"] == "synthetic" for split in ("validation", "test") for c in splits[split])
    return found
