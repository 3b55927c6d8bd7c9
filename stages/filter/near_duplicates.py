"""Chats that say nearly the same: found by MinHash and banding, each pair verified by its true Jaccard similarity, and of those alike the best is kept.

Similarity is the Jaccard of the sets of word trigrams of what the character says, in normal form. MinHash: Broder 1997; banding: Leskovec, Rajaraman,
Ullman, "Mining of Massive Datasets", chapter 3.4: a pair of similarity s shares one of B bands of R minima with probability 1 - (1 - s^R)^B, which is 0.9997
for s = 0.8, R = 5 and B = 20, and 0.03 B at most for s = 0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from zlib import crc32

import numpy as np
from rensa import RMinHash

BANDS, MINIMA = 20, 5
SEED = 1997  # of the permutations
WORDS = 3  # in a shingle
KNOWN = 1_000_000  # words whose hashes are kept
MIX = np.uint64(0x9E3779B97F4A7C15)  # splitmix64's (Steele, Lea, Flood 2014)


class Shingles:
    """The shingles of many chats as one column of 32-bit hashes, sorted within each chat, and where each chat's begin."""

    def __init__(self, hashes: np.ndarray, starts: np.ndarray):
        self.hashes, self.starts = hashes, starts

    def of(self, number: int) -> np.ndarray:
        """Those of one chat."""
        return self.hashes[self.starts[number] : self.starts[number + 1]]


class _Hashes(dict[str, int]):
    """32 bits of each word that was asked for."""

    def __missing__(self, word: str) -> int:
        if len(self) >= KNOWN:
            self.clear()
        self[word] = found = crc32(word.encode())
        return found


_hashes = _Hashes()


def shingles(texts: Sequence[Sequence[str]]) -> Shingles:
    """The sets of word trigrams of texts, given as their words. A text of one or two words is one shingle, one without words none."""
    padded = [[*text, *[""] * (WORDS - len(text))] if text else [] for text in texts]
    lengths = np.fromiter(map(len, padded), np.int64, len(padded))
    hashed = np.fromiter(map(_hashes.__getitem__, chain.from_iterable(padded)), np.uint64, int(lengths.sum()))
    count = max(0, len(hashed) - WORDS + 1)
    mixed = hashed[:count] * MIX
    for place in range(1, WORDS):
        mixed = (mixed ^ (mixed >> np.uint64(29)) ^ hashed[place : place + count]) * MIX
    text = np.repeat(np.arange(len(padded), dtype=np.uint64), lengths)
    inside = text[:count] == text[WORDS - 1 :]  # a trigram of two texts is none
    keys = np.sort((text[:count][inside] << np.uint64(32)) | (mixed[inside] >> np.uint64(32)))
    keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys
    each = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=len(padded))
    return Shingles(keys.astype(np.uint32), np.concatenate([[0], np.cumsum(each)]))


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


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """The similarity of two sorted sets."""
    shared = len(one) + len(other) - len(np.union1d(one, other))
    return shared / (len(one) + len(other) - shared) if shared else 0.0


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
