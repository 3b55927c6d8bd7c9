"""Orders in which chats are drawn: by a hash of seed and id, so that the first fifty are among the first hundred, and a new chat moves no other."""

from __future__ import annotations

import numpy as np

# splitmix64's (Steele, Lea, Flood 2014): its finalizer makes of any 64 bits others that look drawn.
_ADD, _FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def ranks(ids: np.ndarray, seed: int) -> np.ndarray:
    """A 64-bit number for each 64-bit hash of an id: chats are drawn by it, the lowest first."""
    with np.errstate(over="ignore"):
        mixed = ids ^ ((np.uint64(seed % 2**64) + np.uint64(1)) * _ADD)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
        return mixed ^ (mixed >> np.uint64(31))


def drawn(numbers: np.ndarray, ids: np.ndarray, seed: int, count: int) -> np.ndarray:
    """`count` of the chats `numbers`, or all where they are fewer, in their order."""
    order = np.argsort(ranks(ids[numbers], seed), kind="stable")
    return np.sort(numbers[order[:count]])


def replayed(training: int, share: float) -> int:
    """How many replayed chats make up `share` of training, beside so many others."""
    return round(training * share / (1 - share))
