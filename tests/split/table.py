"""Lists of chats as split looks at them, carried out and proved."""

from __future__ import annotations

import numpy as np

from stages.common.holdout import SPLITS
from stages.split.columns import Columns, columns
from stages.split.partition import Leak, common_runs, partition
from stages.split.proof import Proof
from stages.split.similarity import rarest_first
from tests.chats import HOLDOUT

NEAR = 0.8


def table(chats: list[dict]) -> Columns:
    """The columns of the chats."""
    return columns([(0, 0, chat) for chat in chats], **HOLDOUT)


def leaks_of(chats: list[dict], near: float = NEAR) -> dict[str, Leak]:
    """What has to go, by id."""
    found = table(chats)
    leaks = partition(found, rarest_first(found.shingles, found.shingles.lengths), common_runs(found, chats.__getitem__), near)
    return {chats[number]["id"]: leak for number, leak in leaks.items()}


def split(chats: list[dict]) -> tuple[dict[str, list[dict]], list[str]]:
    """(the chats that stay, by split and in their order; the ids of the others)."""
    found, leaks = table(chats), leaks_of(chats)
    kept: dict[str, list[dict]] = {name: [] for name in SPLITS}
    for chat, home in zip(chats, found.home.tolist(), strict=True):
        if chat["id"] not in leaks:
            kept[SPLITS[home]].append(chat)
    return kept, list(leaks)


def proof_of(chats: list[dict], homes: list[str] | None = None) -> tuple[dict[str, float], Proof]:
    """(the figures of all chats, as the hold-out or `homes` has them, the proof)."""
    found = table(chats)
    if homes:
        found.home[:] = [SPLITS.index(home) for home in homes]
    proof = Proof(found, np.ones(len(found), bool), rarest_first(found.shingles, found.shingles.lengths), common_runs(found, chats.__getitem__), NEAR)
    return proof.figures(), proof
