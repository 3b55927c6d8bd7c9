"""Texts as sets of word n-grams, hashed: what tells how much two texts have in common, of a million of them.

All texts of a piece are hashed at once, in numpy's columns; a text alone would cost ten times as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from stages.common.word_hashes import word_hashes

WORDS = 3  # in a shingle
AT_ONCE = 512  # texts whose words are hashed together, so that their letters stay near the core
BLANK = ord(" ")
MIX = np.uint64(0x9E3779B97F4A7C15)  # splitmix64's (Steele, Lea, Flood 2014)


class Shingles:
    """The shingles of many chats as one column of 32-bit hashes, sorted within each chat, and where each chat's begin."""

    def __init__(self, hashes: np.ndarray, starts: np.ndarray):
        self.hashes, self.starts = hashes, starts

    def of(self, number: int) -> np.ndarray:
        """Those of one chat."""
        return self.hashes[self.starts[number] : self.starts[number + 1]]


def hashed(texts: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
    """(32 bits of each word of texts, given as their words, as 64-bit numbers in their order; the number of words of each text)."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    found = [np.zeros(0, np.uint64)]
    for first in range(0, len(texts), AT_ONCE):
        if words := " ".join(chain.from_iterable(texts[first : first + AT_ONCE])):
            letters = np.frombuffer(f"{words} ".encode(), np.uint8)
            ends = np.flatnonzero(letters == BLANK) + 1
            begins = np.concatenate([[0], ends[:-1]])
            found.append((word_hashes(letters, begins, ends - begins) * MIX) >> np.uint64(32))
    return np.concatenate(found), lengths


def ngrams(texts: Sequence[Sequence[str]], size: int) -> tuple[np.ndarray, np.ndarray]:
    """(64-bit hash, number of its text) of each n-gram of `size` words of texts, given as their words, in their order. A text of fewer words has none."""
    return windows(*hashed(texts), size)


def windows(words: np.ndarray, lengths: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """As `ngrams`, of what `hashed` gives."""
    count = max(0, len(words) - size + 1)
    mixed = words[:count] * MIX
    for place in range(1, size):
        mixed = (mixed ^ (mixed >> np.uint64(29)) ^ words[place : place + count]) * MIX
    text = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
    inside = text[:count] == text[size - 1 :]  # an n-gram of two texts is none
    return mixed[inside], text[:count][inside]


def shingles(texts: Sequence[Sequence[str]]) -> Shingles:
    """The sets of word trigrams of texts, given as their words. A text of one or two words is one shingle, one without words none."""
    return sets(*hashed(texts))


def sets(words: np.ndarray, lengths: np.ndarray) -> Shingles:
    """As `shingles`, of what `hashed` gives."""
    missing = np.where(lengths > 0, np.maximum(0, WORDS - lengths), 0)
    if missing.any():
        words, lengths = np.insert(words, np.repeat(np.cumsum(lengths), missing), 0), lengths + missing
    hashes, text = windows(words, lengths, WORDS)
    keys = distinct((text.astype(np.uint64) << np.uint64(32)) | (hashes >> np.uint64(32)))
    each = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=len(lengths))
    return Shingles(keys.astype(np.uint32), np.concatenate([[0], np.cumsum(each)]))


def distinct(values: np.ndarray) -> np.ndarray:
    """The different values, in order: np.unique, which goes by hash tables and takes twenty times as long for a million numbers that are mostly different."""
    values = np.sort(values)
    return values[np.concatenate([np.ones(min(1, len(values)), bool), values[1:] != values[:-1]])]


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """The similarity of two sorted sets."""
    shared = len(one) + len(other) - len(np.union1d(one, other))
    return shared / (len(one) + len(other) - shared) if shared else 0.0
