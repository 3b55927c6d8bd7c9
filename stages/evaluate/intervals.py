"""How sure a figure is: Wilson intervals and exact bounds for rates, Newcombe's interval for a difference of paired rates, the bootstrap for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, lgamma, log, log1p, sqrt
from statistics import NormalDist

import numpy as np

# Cells of one block of the bootstrap's index matrix: 32 MB, however many chats there are. The block size belongs to the
# result (it cuts the stream of random numbers), so it is a constant and not a knob.
BLOCK_CELLS = 4_000_000


@dataclass(frozen=True)
class Estimate:
    """A figure and the two ends of its interval, all in the figure's own unit."""

    value: float
    lower: float
    upper: float


def wilson(count: float, total: int, confidence: float) -> Estimate:
    """The rate `count`/`total` with Wilson's score interval, without continuity correction; `count` need not be whole where it is a mean of many.

    Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953; method 3 of Newcombe 1998,
    https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E. Unlike the textbook's ±, it says
    something at 0 and at `total`. Raises ValueError where `total` is 0.
    """
    if total < 1:
        raise ValueError("a rate of nothing has no interval")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate = count / total
    middle = (rate + z * z / (2 * total)) / (1 + z * z / total)
    half = z * sqrt(rate * (1 - rate) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    # At 0 and at `total` one end is the rate itself; rounding must not put it a hair beyond.
    return Estimate(rate, 0.0 if count == 0 else middle - half, 1.0 if count == total else middle + half)


def upper_bound(count: int, total: int, confidence: float) -> float:
    """The highest rate of which `count` or fewer in `total` would still be seen with a probability of 1 - `confidence`: the exact one-sided bound.

    Clopper and Pearson 1934, https://doi.org/10.1093/biomet/26.4.404. With none in n it is 1 - (1 - confidence)^(1/n): 0 in 60 still allows 4.9 %.
    Raises ValueError where `total` is 0.
    """
    if total < 1:
        raise ValueError("a rate of nothing has no bound")
    if count >= total:
        return 1.0
    ways = [lgamma(total + 1) - lgamma(seen + 1) - lgamma(total - seen + 1) for seen in range(count + 1)]
    low, high = count / total, 1.0
    while high - low > 1e-9:  # the probability falls as the rate rises
        rate = (low + high) / 2
        yes, no = log(rate), log1p(-rate)
        if sum(exp(way + seen * yes + (total - seen) * no) for seen, way in enumerate(ways)) > 1 - confidence:
            low = rate
        else:
            high = rate
    return (low + high) / 2


def paired_difference(first: Sequence[bool], second: Sequence[bool], confidence: float) -> Estimate:
    """The rate of `second` minus the rate of `first`, where place i of both is the same prompt.

    Method 10 of Newcombe 1998, https://doi.org/10.1002/(SICI)1097-0258(19981130)17:22<2635::AID-SIM954>3.0.CO;2-C: two
    Wilson intervals, put together with the correlation phi of the pairs. A bootstrap would say "0 to 0, certain" of two
    arms that never break; this says how much 24 prompts can hide. Raises ValueError for unequal lengths or no pair.
    """
    both = sum(a and b for a, b in zip(first, second, strict=True))
    neither = sum(not a and not b for a, b in zip(first, second, strict=True))
    n = len(first)
    one, two = wilson(sum(first), n, confidence), wilson(sum(second), n, confidence)
    only_first, only_second = sum(first) - both, sum(second) - both
    product = both * neither - only_first * only_second
    # Newcombe's correction: a positive correlation of few pairs is not trusted in full.
    if product > 0:
        product = max(product - n / 2, 0)
    margins = sum(first) * (n - sum(first)) * sum(second) * (n - sum(second))
    phi = product / sqrt(margins) if margins else 0.0
    down = _joined(two.value - two.lower, one.upper - one.value, phi)
    up = _joined(two.upper - two.value, one.value - one.lower, phi)
    difference = two.value - one.value
    return Estimate(difference, max(difference - down, -1.0), min(difference + up, 1.0))


def _joined(a: float, b: float, phi: float) -> float:
    return sqrt(max(a * a - 2 * phi * a * b + b * b, 0.0))


def resampled_totals(rows: np.ndarray, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Column totals of `resamples` bootstrap samples of the rows: shape (resamples, columns).

    A sample draws whole rows, as many as there are, with replacement; one row is one chat or one prompt with the figures of
    all arms, so that every comparison is paired and a chat's tokens stay together.
    """
    count, width = rows.shape
    block = max(1, BLOCK_CELLS // count)
    totals = np.empty((resamples, width))
    for start in range(0, resamples, block):
        drawn = generator.integers(0, count, size=(min(block, resamples - start), count))
        for column in range(width):  # one by one: equal columns get equal totals, to the last bit
            totals[start : start + len(drawn), column] = rows[:, column][drawn].sum(axis=1)
    return totals


def percentile(value: float, samples: np.ndarray, confidence: float) -> Estimate:
    """The percentile interval of a bootstrap (Efron and Tibshirani 1993, chapter 13) around the figure of the whole sample."""
    lower, upper = np.quantile(samples, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(float(value), float(lower), float(upper))
