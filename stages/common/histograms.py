"""Histograms as inline SVG without a viewBox: places in percent, so that a chart is as wide as its column and its text keeps its size."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

# Both sides keep room for half a tick label.
LEFT, RIGHT = 3.0, 97.0


def place(value: float, scale: Sequence[float]) -> str:
    """Where `value` lies between the first and the last tick, as a percentage of the chart's width."""
    share = (value - scale[0]) / (scale[-1] - scale[0])
    return f"{LEFT + (RIGHT - LEFT) * min(max(share, 0.0), 1.0):.2f}%"


def histogram(series: str, edges: Sequence[int], shares: Sequence[float], top: float, mean: float, label: str) -> str:
    """Bars of one series' shares, all of one width, the highest possible being `top`; a line marks `mean`, in the unit of `edges`.

    `series` becomes a CSS class, `label` is read aloud.
    """
    height, count = 84, len(edges)
    width = (RIGHT - LEFT) / count
    end = 2 * edges[-1] - edges[-2]
    parts = [f'<line class="base" x1="{LEFT}%" x2="{RIGHT}%" y1="{height}" y2="{height}"/>']
    for number, (edge, share) in enumerate(zip(edges, shares, strict=True)):
        if share > 0:
            tall = max(share / top * (height - 6), 1.0)
            words = f"{edge} words or more" if number == count - 1 else f"{edge} to {edges[number + 1] - 1} words"
            parts.append(
                f'<rect class="bar" x="{LEFT + width * number + width * 0.06:.2f}%" width="{width * 0.88:.2f}%" y="{height - tall:.1f}" height="{tall:.1f}">'
                f"<title>{words}: {share:.0%}</title></rect>"
            )
    at = place(mean, (edges[0], end))
    parts.append(f'<line class="mean" x1="{at}" x2="{at}" y1="0" y2="{height}"/>')
    return f'<svg class="histogram {series}" height="{height + 1}" width="100%" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def bin_axis(edges: Sequence[int]) -> str:
    """The words at every other bin's lower edge, under histograms of these bins; the last bin has no end."""
    width = (RIGHT - LEFT) / len(edges)
    texts = "".join(
        f'<text x="{LEFT + width * number:.2f}%" y="12" text-anchor="middle">{edge}{"+" if number == len(edges) - 1 else ""}</text>'
        for number, edge in enumerate(edges)
        if number % 2 == 0
    )
    return f'<svg class="axis" height="16" width="100%" aria-hidden="true">{texts}</svg>'
