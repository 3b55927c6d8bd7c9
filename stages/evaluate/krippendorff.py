"""Krippendorff's alpha: whether raters agree by more than chance, of any number, with values missing.

1 - (disagreement seen) / (disagreement expected of values put to items by lot): 1 where all agree, 0 where items explain nothing, below 0 where raters disagree
on purpose. From 0.8 on ratings are reliable, from 0.667 on they allow tentative conclusions.

Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, https://repository.upenn.edu/asc_papers/43, section E; Krippendorff 2019, Content Analysis, chapter 12.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from stages.evaluate.intervals import Estimate
from stages.evaluate.resampling import in_blocks, weights

Level = Literal["nominal", "ordinal", "interval"]
RELIABLE, TENTATIVE = 0.8, 0.667


def alpha(items: Iterable[Sequence[float | None]], level: Level) -> float | None:
    """Alpha of the values that each item got, of whichever raters, None where a rater gave none. Who gave a value does not matter.

    An item with fewer than two values says nothing and is left out. None where no item has two, and where all values are equal: then nothing could have shown
    whether the raters tell items apart.
    """
    values, pairs = _coincidences(items)
    found = _alpha(pairs.sum(axis=0, keepdims=True), values, level)[0]
    return None if np.isnan(found) else float(found)


def estimate(items: Iterable[Sequence[float | None]], level: Level, resamples: int, confidence: float, generator: np.random.Generator) -> Estimate | None:
    """Alpha with the percentile interval of a bootstrap by item, all values of an item together; None where alpha has no value.

    A sample of items whose values are all equal has no alpha; the interval leaves such samples out.
    """
    values, pairs = _coincidences(items)
    found = _alpha(pairs.sum(axis=0, keepdims=True), values, level)[0]
    if np.isnan(found):
        return None
    flat = pairs.reshape(len(pairs), -1)

    def draw(samples: int) -> np.ndarray:
        return _alpha((weights(len(pairs), samples, generator) @ flat).reshape(samples, len(values), len(values)), values, level)

    lower, upper = np.nanquantile(in_blocks(resamples, draw), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(float(found), float(lower), float(upper))


def _coincidences(items: Iterable[Sequence[float | None]]) -> tuple[np.ndarray, np.ndarray]:
    """The different values in order, and for each item with two or more how often each pair of them meets: shape (items, values, values).

    Each item's pairs weigh 1 / (its values - 1), so that it counts as often as it has values.
    """
    given = [[value for value in item if value is not None] for item in items]
    given = [item for item in given if len(item) > 1]
    values = np.array(sorted({value for item in given for value in item}), dtype=float)
    counts = np.array([[item.count(value) for value in values] for item in given], dtype=float).reshape(len(given), len(values))
    pairs = counts[:, :, None] * counts[:, None, :]
    places = np.arange(len(values))
    pairs[:, places, places] -= counts
    return values, pairs / np.maximum(counts.sum(axis=1) - 1, 1)[:, None, None]


def _alpha(pairs: np.ndarray, values: np.ndarray, level: Level) -> np.ndarray:
    """Alpha of each matrix of coincidences, NaN where it has none: `pairs` of shape (samples, values, values)."""
    totals = pairs.sum(axis=2)
    apart = _apart(totals, values, level)
    seen = (pairs * apart).sum(axis=(1, 2))
    by_lot = (totals[:, :, None] * totals[:, None, :] * apart).sum(axis=(1, 2)) / np.maximum(totals.sum(axis=1) - 1, 1)
    return 1 - np.divide(seen, by_lot, out=np.full(len(pairs), np.nan), where=by_lot > 1e-12)


def _apart(totals: np.ndarray, values: np.ndarray, level: Level) -> np.ndarray:
    """How far two values are apart, squared: shape (samples or 1, values, values)."""
    if level == "nominal":
        return 1 - np.eye(len(values))[None]
    if level == "interval":
        return ((values[:, None] - values[None, :]) ** 2)[None]
    # Ordinal: how many values lie from one to the other, of both ends' own half; half a value's own lies below its middle.
    middles = np.cumsum(totals, axis=1) - totals / 2
    return (middles[:, :, None] - middles[:, None, :]) ** 2
