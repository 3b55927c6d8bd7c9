"""Inline SVG without a viewBox: places in percent, so that a chart is as wide as its column and its text keeps its size."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10

from stages.common.histograms import place
from stages.evaluate.intervals import Estimate


def ticks(highest: float) -> list[float]:
    """Three to six round places from 0 to at least `highest`, 1, 2, 2.5 or 5 times a power of ten apart."""
    highest = highest if highest > 0 else 1.0
    power = 10.0 ** floor(log10(highest / 5))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power * 5 >= highest * (1 - 1e-9))
    return [round(step * i, 10) for i in range(ceil(highest / step - 1e-9) + 1)]


def interval(arm: str, estimate: Estimate, scale: Sequence[float], label: str) -> str:
    """One arm's figure as a mark on its interval; the mark's shape tells the arm without colour. `label` is read aloud."""
    grid = "".join(f'<line class="grid" x1="{place(t, scale)}" x2="{place(t, scale)}" y1="0" y2="22"/>' for t in scale)
    low, high, at = place(estimate.lower, scale), place(estimate.upper, scale), place(estimate.value, scale)
    caps = "".join(f'<line x1="{x}" x2="{x}" y1="6" y2="16"/>' for x in (low, high))
    return (
        f'<svg class="interval {arm}" height="22" width="100%" role="img" aria-label="{escape(label)}">{grid}'
        f'<g class="range"><line x1="{low}" x2="{high}" y1="11" y2="11"/>{caps}</g>{_shape(arm, at)}</svg>'
    )


def _shape(arm: str, at: str) -> str:
    if arm == "tuned":
        return f'<circle class="dot" cx="{at}" cy="11" r="6"/>'
    # A nested svg lets shapes with corners sit at a percentage.
    corners = {"base": "M0,-6.5 L6.5,5.5 H-6.5 Z", "prompted": "M-5.5,-5.5 H5.5 V5.5 H-5.5 Z", "gold": "M0,-7 L7,0 L0,7 L-7,0 Z"}[arm]
    return f'<svg class="dot" x="{at}" y="11" overflow="visible"><path d="{corners}"/></svg>'


def axis(scale: Sequence[float], labels: Sequence[str]) -> str:
    """The tick labels under a column of intervals."""
    texts = "".join(f'<text x="{place(t, scale)}" y="12" text-anchor="middle">{escape(label)}</text>' for t, label in zip(scale, labels, strict=True))
    return f'<svg class="axis" height="16" width="100%" aria-hidden="true">{texts}</svg>'
