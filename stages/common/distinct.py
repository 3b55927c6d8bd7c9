"""Distinct-n: how many of the runs of words in replies are different ones."""

from __future__ import annotations

from collections.abc import Sequence


def distinct(replies: Sequence[Sequence[str]], size: int) -> float | None:
    """Different n-grams of `size` words over all n-grams, none across two replies; None where there is no n-gram. It falls with the amount of text.

    Li et al. 2016, A Diversity-Promoting Objective Function for Neural Conversation Models (arXiv:1510.03055).
    """
    # Hashes instead of tuples: a quarter of the memory, and a collision in 64 bits is less likely than a fault of the machine.
    different = {hash(gram) for words in replies for gram in zip(*(words[start:] for start in range(size)), strict=False)}
    grams = sum(max(0, len(words) - size + 1) for words in replies)
    return len(different) / grams if grams else None
