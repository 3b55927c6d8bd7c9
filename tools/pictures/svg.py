"""An SVG document on its own ground, light or dark as the reader's system asks, since a picture cannot know the page's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from stages.common.page_style import STYLE

WIDTH = 760

SANS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif'
MONO = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace'
SHAPES_STYLE = f"""
text {{ font: 13px {SANS}; }}
.name {{ font-weight: 600; font-size: 15px; }}
.input .name, .label {{ font-size: 13.5px; font-weight: 600; }}
.words, .tick {{ font-size: 12.5px; }}
.path {{ font: 11.5px {MONO}; }}
.heading {{ font-size: 17px; font-weight: 600; }}
.tick, .value {{ font-variant-numeric: tabular-nums; }}
.panel, .stage rect, .input rect, .grid, .axis {{ stroke-width: 1; }}
.arrow path {{ fill: none; stroke-width: 1.6; }}
.series polyline {{ fill: none; stroke-width: 1.6; stroke-linejoin: round; }}
.validation polyline {{ stroke-width: 2.4; }}
.leader {{ fill: none; stroke-width: 1; stroke-dasharray: 2 3; }}
"""


def _colours() -> list[dict[str, str]]:
    """The reports' colours by name, light and dark."""
    roots = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    return [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", root)) for root in roots]


def _paint(colour: Mapping[str, str]) -> str:
    """The rules that use a colour. Without custom properties, which many a renderer of SVG outside browsers does not know."""
    orange, blue, ink, soft = (colour[name] for name in ("prompted", "tuned", "ink", "soft"))
    return f"""
.panel {{ fill: {colour["paper"]}; stroke: {colour["line"]}; }}
text {{ fill: {ink}; }}
.words, .path, .tick {{ fill: {soft}; }}
.stage rect {{ fill: {colour["raised"]}; stroke: {soft}; }}
.input rect {{ fill: {colour["grid"]}; stroke: {colour["line"]}; }}
.arrow path, .axis {{ stroke: {soft}; }}
#head path {{ fill: {soft}; }}
.grid {{ stroke: {colour["grid"]}; }}
.chats .kind, .chats .path, .training .label {{ fill: {orange}; }}
.model .kind, .model .path, .validation circle, .validation .label {{ fill: {blue}; }}
.report .kind, .report .path {{ fill: {ink}; }}
.training circle {{ fill: {orange}; }}
.training polyline, .training .leader {{ stroke: {orange}; }}
.validation polyline, .validation .leader {{ stroke: {blue}; }}
"""


def picture(height: float, title: str, about: str, parts: Sequence[str]) -> str:
    """A whole SVG document: `parts` on their ground, with what is read aloud in their place."""
    light, dark = _colours()
    style = f"{SHAPES_STYLE}{_paint(light)}@media (prefers-color-scheme: dark) {{{_paint(dark)}}}"
    head = '<marker id="head" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:g}" viewBox="0 0 {WIDTH} {height:g}" '
            'role="img" aria-labelledby="title about">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="about">{escape(about)}</desc>',
            f"<style>{style}</style>",
            f'<defs>{head}<path d="M0,0 L8,4 L0,8 z"/></marker></defs>',
            f'<rect class="panel" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:g}" rx="8"/>',
            *parts,
            "</svg>\n",
        ]
    )


@dataclass(frozen=True)
class Shape:
    """A stage or an input in its place, in pixels."""

    x: float
    y: float
    width: float
    height: float
    row: int

    @property
    def left(self) -> float:
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height / 2
