"""Runs of words that stand in a text more than once. filter drops replies by them; evaluate measures answers by them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

RUN = 5
"""Words in the runs of which a repeated one counts as repetition; a phrase of four that comes back is style."""


def repeated_share(words: Sequence[str], size: int = RUN) -> float:
    """The share of words that lie in n-grams of `size` words which occur more than once: Gopher's duplicate n-gram fraction, over words instead of characters.

    Rae et al. 2021, https://arxiv.org/abs/2112.11446, table A1.
    """
    grams = list(zip(*(words[start:] for start in range(size)), strict=False))
    if len(set(grams)) == len(grams):
        return 0.0
    counts = Counter(grams)
    return len({i + k for i, gram in enumerate(grams) if counts[gram] > 1 for k in range(size)}) / len(words)
