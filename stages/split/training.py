"""What is trained on: the chats that the hold-out leaves, a part of them where a limit says so, and replayed ones beside them."""

from __future__ import annotations

import numpy as np

from stages.split.columns import Columns
from stages.split.draw import drawn, replayed
from stages.split.partition import TRAIN


def chosen(found: Columns, own: int, left: np.ndarray, seed: int, limit: int | None, share: float) -> tuple[np.ndarray, np.ndarray]:
    """(the chats that stand in a split, those over the limit), masks.

    Chats 0 to own - 1 are the characters', of which `left` have no leak; of the training ones `limit` are drawn. The others are replayed ones, in the order in
    which they were drawn: the first of those that have no leak are taken, until they are `share` of the training chats.
    """
    numbers = np.arange(len(found))
    training = np.flatnonzero(left & (found.home == TRAIN) & (numbers < own))
    taken = training if limit is None else drawn(training, found.id, seed, limit)
    over = np.zeros(len(found), bool)
    over[np.setdiff1d(training, taken)] = True
    plain = np.flatnonzero(left & (numbers >= own))
    kept = left & ~over
    kept[plain[replayed(len(taken), share) :]] = False
    return kept, over
