"""Chats that say nearly the same: found by MinHash and banding, each pair verified by its true Jaccard similarity, and of those alike the best is kept.

Similarity is the Jaccard of the sets of word trigrams of what the character says, in normal form. MinHash: Broder 1997; banding: Leskovec, Rajaraman,
Ullman, "Mining of Massive Datasets", chapter 3.4: a pair of similarity s shares one of B bands of R minima with probability 1 - (1 - s^R)^B, which is 0.9997
for s = 0.8, R = 5 and B = 20. The lower the similarity that is looked for, the fewer minima make a band (`shape`).

Thousands of chats of one template share bands without being alike, and to compare all pairs of them would take hours. In such a crowd only those are compared
that share a rare shingle, by prefix filtering (Bayardo, Ma, Srikant 2007; Xiao et al. 2008, PPJoin): with the shingles of all in one order, two sets x and y of
similarity t or more share one of the first |x| - ceil(t |x|) + 1 of x and of the first |y| - ceil(t |y|) + 1 of y.
"""

from __future__ import annotations

from itertools import chain
from math import ceil

import numpy as np
from rensa import RMinHash

from stages.common.shingles import MIX, Shingles, jaccard

MINIMA = 100  # of a chat's shingles, each under a permutation of its own
SHAPES = ((0.75, 20, 5), (0.65, 25, 4), (0.0, 33, 3))
"""(from which similarity on, bands, minima in each). Pairs of just that similarity are found with probability 0.9956, 0.9927, and of 0.5, the least that
filter.near_duplicate may be, 0.988."""
SEED = 1997  # of the permutations
CROWD = 200  # chats that share a band, from which on rare shingles are asked
COUNTER_BITS = 22  # shingles are counted by so many first bits: any one order will do


def shape(threshold: float) -> tuple[int, int]:
    """(bands, minima in each) that find the pairs alike by a threshold or more."""
    return next((count, size) for least, count, size in SHAPES if threshold >= least)


def bands(column: Shingles, threshold: float) -> np.ndarray:
    """Each chat's bands, (chats, bands) of 64 bits: equal where all minima of a band are. Chats without a word have zeros, which are nobody's twins."""
    count, (number, size) = len(column.starts) - 1, shape(threshold)
    if not len(column.hashes):
        return np.zeros((count, number), np.uint64)
    digests = RMinHash.digest_matrix_from_flat_token_hashes(column.hashes.astype(np.uint64), column.starts.astype(np.uint64), MINIMA, SEED)
    minima = np.array(digests.to_rows(), np.uint64)[:, : number * size].reshape(count, number, size)
    found = np.ones((count, number), np.uint64)
    for place in range(size):
        found = (found ^ (found >> np.uint64(31)) ^ minima[:, :, place]) * MIX
    found[np.diff(column.starts) == 0] = 0
    return found


def twins(banded: np.ndarray, order: np.ndarray, threshold: float, column: Shingles) -> dict[int, tuple[int, float]]:
    """{chat to drop: (chat that is kept in its stead, their similarity)}.

    Chats come in `order` (their numbers, the best first); each is dropped that is alike, by `threshold` or more, to one that is kept before it. So nothing is
    dropped without a kept twin, and among the kept no pair is alike.
    """
    groups = shared_bands(banded)
    crowded = np.bincount(groups[groups >= 0]) > CROWD
    rare = Rare(column, threshold) if crowded.any() else None
    kept: list[list[int]] = [[] for _ in crowded]
    kept_by_rare: dict[int, list[int]] = {}
    dropped: dict[int, tuple[int, float]] = {}
    for number in order[(groups >= 0).any(axis=1)[order]].tolist():
        mine = column.of(number)
        own = [group for group in groups[number].tolist() if group >= 0]
        small = [group for group in own if not crowded[group]]
        first = rare.of(number) if len(small) < len(own) else []
        places = [*(kept[group] for group in small), *(kept_by_rare[shingle] for shingle in first if shingle in kept_by_rare)]
        for other in dict.fromkeys(chain.from_iterable(places)):
            if (alike := jaccard(mine, column.of(other))) >= threshold:
                dropped[number] = other, alike
                break
        else:
            for group in small:
                kept[group].append(number)
            for shingle in first:
                kept_by_rare.setdefault(shingle, []).append(number)
    return dropped


class Rare:
    """The first shingles of each chat, the rarest first, of which two chats that are alike by `threshold` or more have one in common."""

    def __init__(self, column: Shingles, threshold: float):
        self._column, self._threshold = column, threshold
        self._shift = np.uint32(32 - COUNTER_BITS)
        self._counts = np.bincount(column.hashes >> self._shift, minlength=1 << COUNTER_BITS).astype(np.uint64)

    def of(self, number: int) -> list[int]:
        """Those of one chat."""
        mine = self._column.of(number)
        # 1e-9: 0.7 x 10 is more than 7 in floating point, and a prefix may be too long but not too short.
        count = len(mine) - ceil(self._threshold * len(mine) - 1e-9) + 1
        keys = np.sort((self._counts[mine >> self._shift] << np.uint64(32)) | mine)[:count]
        return (keys & np.uint64(0xFFFFFFFF)).tolist()


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
