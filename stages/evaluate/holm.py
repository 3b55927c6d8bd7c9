"""Several tests at once: Holm's step-down correction, which keeps the chance of even one false finding among them at the level of a single test."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """The adjusted p-values, in the order given: one at or below 0.05 is a finding at the 5 % level over all of them together.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none may be smaller than the one before it, nor above 1. It holds for dependent tests too.
    Holm 1979, https://www.jstor.org/stable/4615733; in adjusted form Wright 1992, https://doi.org/10.2307/2532694.
    Raises ValueError for a value that is no probability.
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError(f"not all of {list(p_values)} are probabilities")
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted
