"""Texts as sets of word n-grams, hashed: what tells how much two texts have in common, of a million of them.

All texts of a piece are hashed at once, in numpy's columns; a text alone would cost ten times as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from zlib import crc32

import numpy as np

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


def ngrams(texts: Sequence[Sequence[str]], size: int) -> tuple[np.ndarray, np.ndarray]:
    """(64-bit hash, number of its text) of each n-gram of `size` words of texts, given as their words, in their order. A text of fewer words has none."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    hashed = np.fromiter(map(_hashes.__getitem__, chain.from_iterable(texts)), np.uint64, int(lengths.sum()))
    count = max(0, len(hashed) - size + 1)
    mixed = hashed[:count] * MIX
    for place in range(1, size):
        mixed = (mixed ^ (mixed >> np.uint64(29)) ^ hashed[place : place + count]) * MIX
    text = np.repeat(np.arange(len(texts), dtype=np.int64), lengths)
    inside = text[:count] == text[size - 1 :]  # an n-gram of two texts is none
    return mixed[inside], text[:count][inside]


def shingles(texts: Sequence[Sequence[str]]) -> Shingles:
    """The sets of word trigrams of texts, given as their words. A text of one or two words is one shingle, one without words none."""
    hashes, text = ngrams([[*words, *[""] * (WORDS - len(words))] if words else [] for words in texts], WORDS)
    keys = np.unique((text.astype(np.uint64) << np.uint64(32)) | (hashes >> np.uint64(32)))
    each = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=len(texts))
    return Shingles(keys.astype(np.uint32), np.concatenate([[0], np.cumsum(each)]))


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """The similarity of two sorted sets."""
    shared = len(one) + len(other) - len(np.union1d(one, other))
    return shared / (len(one) + len(other) - shared) if shared else 0.0
