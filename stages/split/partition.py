"""Carries out the hold-out: which chats leave it, because of one that measures more and to which they come too near."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from stages.common.chats import normal_words
from stages.common.holdout import SPLITS
from stages.common.shingles import ngrams
from stages.split.columns import RUN_WORDS, Columns, passages
from stages.split.meeting import in_more_than, met, places_of, values_of
from stages.split.similarity import Sets, alike

# GPT-3 let 13-grams be that stood in more than 10 training documents: sayings, formulas, what everybody quotes (Brown et al. 2020, appendix C).
COMMON = 10
QUOTE = 2 * RUN_WORDS  # words of a held-out turn from which even what everybody quotes is a leak
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


def common_runs(found: Columns, chat: Callable[[int], dict]) -> np.ndarray:
    """The runs of held-out chats that are no leak, in order; `chat` gives a chat by its number.

    They stand in chats of more than COMMON groups that came for train, and are a small part of the held-out turns that have them:
    less than QUOTE words in a row, and no more than half of the turn.
    """
    train = found.home == TRAIN
    often = in_more_than(found.runs, train, values_of(found.runs, ~train), COMMON, found.group)
    quoting = np.unique(found.runs.owners(places_of(found.runs, ~train, often))).tolist()
    much = [runs for number in quoting for runs in large_quotes(chat(number), often)]
    return np.setdiff1d(often, np.concatenate(much)) if much else often


def large_quotes(chat: dict, often: np.ndarray) -> Iterator[np.ndarray]:
    """The runs, of those in `often`, that are a large part of a turn, or of no turn alone."""
    within = []
    for turn in chat["conversations"]:
        words = normal_words(turn["value"]) if turn["from"] != "system" else []
        runs = ngrams([words], RUN_WORDS)[0]
        within.append(runs)
        quoted = np.isin(runs, often)
        if not quoted.any():
            continue
        covered = np.convolve(quoted, np.ones(RUN_WORDS, int)) > 0  # word by word: a run covers RUN_WORDS of them
        edges = np.flatnonzero(np.diff(covered, prepend=False, append=False))
        if max(edges[1::2] - edges[::2]) >= QUOTE or 2 * covered.sum() > len(words):
            yield runs[quoted]
    across = np.setdiff1d(ngrams(passages(chat), RUN_WORDS)[0], np.concatenate(within))
    yield across[np.isin(across, often)]
