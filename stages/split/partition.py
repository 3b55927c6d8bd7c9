"""Carries out the hold-out: which chats leave it, because of one that measures more and to which they come too near."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.common.holdout import SPLITS
from stages.split.columns import Columns
from stages.split.meeting import in_more_than, met, values_of
from stages.split.similarity import Sets, alike

# GPT-3 let 13-grams be that stood in more than 10 training documents: sayings, formulas, what everybody quotes (Brown et al. 2020, appendix C).
COMMON = 10
TRAIN, VALIDATION, TEST = (SPLITS.index(name) for name in ("train", "validation", "test"))
# Each held-out split, and those that must have nothing of it. What measures more comes first.
ORDER = ((TEST, (VALIDATION, TRAIN)), (VALIDATION, (TRAIN,)))
OPENING, REPLY, RUN, NEAR = "opening", "reply", "run", "near"


@dataclass(frozen=True)
class Leak:
    """Why a chat cannot stay: it shares its opening, a reply or a run of words with chat number `held` of another split, or is nearly the same."""

    what: str
    held: int
    similarity: float | None = None


def partition(found: Columns, sets: Sets, common: np.ndarray, near: float) -> dict[int, Leak]:
    """{number of a chat of train or validation that must go: why}. The measurement is worth more than the chat.

    `sets` are the chats' shingles, `common` the runs that do not count, `near` the similarity from which two chats are
    nearly the same. A chat that goes makes no other a leak.
    """
    leaks: dict[int, Leak] = {}
    left = np.ones(len(found), bool)

    def leave(what: str, pairs: dict[int, int], similar: dict[int, float] | None = None) -> None:
        leaks.update((number, Leak(what, held, similar and similar[number])) for number, held in pairs.items())
        left[list(pairs)] = False

    for split, homes in ORDER:
        held, others = (found.home == split) & left, np.isin(found.home, homes)
        leave(OPENING, met(found.openings, others & left, held))
        leave(REPLY, met(found.replies, others & left, held))
        pairs = alike(sets, others & left, held, near)
        best = {int(pairs[0][place]): place for place in np.argsort(pairs[2], kind="stable").tolist()}
        leave(NEAR, {number: int(pairs[1][place]) for number, place in best.items()}, {number: float(pairs[2][place]) for number, place in best.items()})
        leave(RUN, met(found.runs, others & left, held, common))
    return leaks


def common_runs(found: Columns) -> np.ndarray:
    """The runs of held-out chats that stand in more than COMMON of the chats that came for train, in order."""
    train = found.home == TRAIN
    return in_more_than(found.runs, train, values_of(found.runs, ~train), COMMON)
