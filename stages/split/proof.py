"""The proof that no split has anything of another: figures over the chats that are kept, whatever the partition thought."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from stages.common.holdout import SPLITS
from stages.split.columns import Columns, Ragged
from stages.split.meeting import met, shared
from stages.split.similarity import Sets, alike, highest

# Figures that must be 0: chats, groups, replies and openings that stand in two splits, runs of 13 words that do (but common ones: the gold has none in two
# chats at all, its longest common run is of 8), pairs of splits' chats that are nearly the same, synthetic chats held out.
ZERO = ("shared_chats", "shared_groups", "shared_replies", "shared_openings", "shared_13grams", "near_duplicates", "synthetic_held_out")
PAIRS = tuple(combinations(range(len(SPLITS)), 2))  # train and validation, train and test, validation and test


class Proof:
    """What the splits have in common, of the chats of a mask; `sets`, `common` and `near` as in partition.partition."""

    def __init__(self, found: Columns, kept: np.ndarray, sets: Sets, common: np.ndarray, near: float):
        self._sets, self._common, self._near = sets, common, near
        self._masks = [kept & (found.home == number) for number in range(len(SPLITS))]
        each = np.arange(len(found) + 1)
        self._columns = {
            "shared_chats": (Ragged(found.id, each), None),
            "shared_groups": (Ragged(found.group, each), None),
            "shared_replies": (found.replies, None),
            "shared_openings": (found.openings, None),
            "shared_13grams": (found.runs, common),
        }
        self._written = kept & found.synthetic & (found.home != SPLITS.index("train"))

    def figures(self) -> dict[str, float]:
        """How many different ids, groups, replies, openings and runs stand in two splits, how many pairs of chats are nearly the same, and each pair of splits' highest similarity.

        A similarity is exact where it is above its "_searched"; where the two are equal, it is that at most (similarity.highest).
        """
        found: dict[str, float] = {
            name: sum(len(shared(column, self._masks[a], self._masks[b], but)) for a, b in PAIRS) for name, (column, but) in self._columns.items()
        }
        found |= {"common_13grams": len(self._common), "near_duplicates": 0, "synthetic_held_out": int(self._written.sum())}
        for a, b in PAIRS:
            name, similar = f"jaccard_{SPLITS[a]}_{SPLITS[b]}", alike(self._sets, self._masks[a], self._masks[b], self._near)[2]
            found["near_duplicates"] += len(similar)
            top = (float(similar.max()), self._near) if len(similar) else highest(self._sets, self._masks[a], self._masks[b], self._near)
            found[name], found[f"{name}_searched"] = round(top[0], 4), top[1]
        return found

    def culprits(self) -> tuple[str, int, int]:
        """(the figure that is not what it must be, the numbers of two chats, of different splits, that make it so): the first that is found."""
        for name, (column, but) in self._columns.items():
            for a, b in PAIRS:
                if pairs := met(column, self._masks[a], self._masks[b], but):
                    return name, *min(pairs.items())
        for a, b in PAIRS:
            ones, others, similar = alike(self._sets, self._masks[a], self._masks[b], self._near)
            if len(similar):
                return "near_duplicates", int(ones[similar.argmax()]), int(others[similar.argmax()])
        written = int(np.flatnonzero(self._written)[0])
        return "synthetic_held_out", written, written
