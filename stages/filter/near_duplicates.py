"""Chats that say nearly the same: found by MinHash and banding, each pair verified by its true Jaccard similarity, and of those alike the best is kept.

Similarity is the Jaccard of the sets of word trigrams of what the character says, in normal form. MinHash: Broder 1997; banding: Leskovec, Rajaraman,
Ullman, "Mining of Massive Datasets", chapter 3.4: a pair of similarity s shares one of B bands of R minima with probability 1 - (1 - s^R)^B, which is 0.9997
for s = 0.8, R = 5 and B = 20, and 0.03 B at most for s = 0.5.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rensa import RMinHash

from stages.common.shingles import MIX, Shingles, jaccard

BANDS, MINIMA = 20, 5
SEED = 1997  # of the permutations


def bands(column: Shingles) -> np.ndarray:
    """Each chat's bands, (chats, BANDS) of 64 bits: equal where all minima of a band are. Chats without a word have zeros, which are nobody's twins."""
    count = len(column.starts) - 1
    if not len(column.hashes):
        return np.zeros((count, BANDS), np.uint64)
    digests = RMinHash.digest_matrix_from_flat_token_hashes(column.hashes.astype(np.uint64), column.starts.astype(np.uint64), BANDS * MINIMA, SEED)
    minima = np.array(digests.to_rows(), np.uint64).reshape(count, BANDS, MINIMA)
    found = np.ones((count, BANDS), np.uint64)
    for place in range(MINIMA):
        found = (found ^ (found >> np.uint64(31)) ^ minima[:, :, place]) * MIX
    found[np.diff(column.starts) == 0] = 0
    return found


def twins(banded: np.ndarray, order: np.ndarray, threshold: float, of: Callable[[int], np.ndarray]) -> dict[int, tuple[int, float]]:
    """{chat to drop: (chat that is kept in its stead, their similarity)}.

    Chats come in `order` (their numbers, the best first); each is dropped that is alike, by `threshold` or more, to one that is kept before it. So nothing is
    dropped without a kept twin, and among the kept no pair is alike. `of` gives a chat's shingles.
    """
    groups = shared_bands(banded)
    kept: list[list[int]] = [[] for _ in range(int(groups.max(initial=-1)) + 1)]
    dropped: dict[int, tuple[int, float]] = {}
    for number in order[(groups >= 0).any(axis=1)[order]].tolist():
        mine = of(number)
        own = [group for group in groups[number].tolist() if group >= 0]
        candidates = dict.fromkeys(other for group in own for other in kept[group])
        for other in candidates:
            if (alike := jaccard(mine, of(other))) >= threshold:
                dropped[number] = other, alike
                break
        else:
            for group in own:
                kept[group].append(number)
    return dropped


def shared_bands(banded: np.ndarray) -> np.ndarray:
    """For each chat and band the number of the group of chats that share it, -1 where nobody does; groups of different bands have different numbers."""
    groups = np.full(banded.shape, -1, np.int32)
    first = 0
    for band in range(banded.shape[1]):
        values, inverse, counts = np.unique(banded[:, band], return_inverse=True, return_counts=True)
        several = (counts > 1) & (values != 0)
        names = np.full(len(values), -1, np.int32)
        names[several] = np.arange(first, first + np.count_nonzero(several), dtype=np.int32)
        first += int(np.count_nonzero(several))
        groups[:, band] = names[inverse]
    return groups
