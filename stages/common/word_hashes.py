"""64 bits of each word of a text of any length, by numpy: a dictionary, or a hash function called for each, takes five times as long."""

from __future__ import annotations

import numpy as np

LONGEST = 64
"""Bytes of a word whose order counts; of what follows only which bytes they are."""

_WEIGHTS = np.random.default_rng(64).integers(0, 2**63, LONGEST, np.uint64) * np.uint64(2) + np.uint64(1)


def word_hashes(letters: np.ndarray, begins: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The hashes of words, (words,) of uint64, of a text's bytes (uint8): sums of the bytes, each times a drawn odd number for its place in the word.

    A word goes from its place in `begins`, the first of which is 0, to the next one's; `lengths` are the bytes of each, 1 or more.
    """
    places = np.minimum(np.arange(len(letters)) - np.repeat(begins, lengths), LONGEST - 1)
    return np.add.reduceat(_WEIGHTS[places] * (letters + np.uint64(1)), begins)
