"""Intervals of figures that grow with chance: distances between samples, and counts of what is different in them.

A bootstrap sample holds some prompts twice and a third not at all: it is a noisier sample than the one it is drawn from, so its distance from anything is larger,
and a percentile interval lies too high, at times above the figure itself. How widely the figure is spread it tells all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from statistics import NormalDist

import numpy as np

from stages.evaluate.intervals import Estimate

BLOCK = 1_000  # samples at once. It cuts the stream of random numbers, so it belongs to the result


def weights(count: int, samples: int, generator: np.random.Generator) -> np.ndarray:
    """How often each of `count` rows stands in each bootstrap sample of as many rows: shape (samples, count)."""
    return generator.multinomial(count, np.full(count, 1 / count), size=samples).astype(float)


def in_blocks(samples: int, draw: Callable[[int], np.ndarray]) -> np.ndarray:
    """What `draw` gives for BLOCK samples at a time, put together: memory is the block's, however many samples there are."""
    return np.concatenate([draw(min(BLOCK, samples - start)) for start in range(0, samples, BLOCK)])


def around(value: float, samples: np.ndarray, confidence: float) -> Estimate:
    """The percentile interval of a bootstrap, moved so that its mean lies on the figure of the whole sample.

    The move takes out the bootstrap's own estimate of what its noise adds (Efron and Tibshirani 1993, chapter 10), and leaves the spread and its skewness. It is
    an interval of the figure that samples of this size have on average.
    """
    lower, upper = np.quantile(samples, [(1 - confidence) / 2, (1 + confidence) / 2]) - samples.mean() + value
    return Estimate(float(value), float(lower), float(upper))


def jackknife(value: float, without: np.ndarray, confidence: float) -> Estimate:
    """The interval of a figure from what it is without each of two or more prompts in turn, by the normal distribution.

    Its variance is too large on average rather than too small (Efron and Stein 1981, https://doi.org/10.1214/aos/1176345462). For figures that count what is
    different, of which a bootstrap sample, a third of it said twice, tells nothing.
    """
    count = len(without)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    return Estimate(float(value), float(value) - half, float(value) + half)
