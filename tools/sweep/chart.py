"""The picture of a sweep as inline SVG: places along the axis in percent, so that it is as wide as its column and its text keeps its size."""

from __future__ import annotations

from stages.common.html_page import text
from tools.pictures.loss import ticks
from tools.sweep.axis import Axis, axis
from tools.sweep.conclusions import Conclusion, figure, interval
from tools.sweep.points import Sweep, shown

HEIGHT, TOP = 300, 12
WIDTH_OF_LABELS = 58


def chart(found: Sweep, said: Conclusion) -> str:
    """The points with their intervals, each a link to its row of the table; the line through them and where it leads, where there is one."""
    along = axis(found, said.reach)
    ahead = said.trend.at(said.reach) if said.trend and said.reach else None
    ends = [end for p in found.points for end in (p.figure, p.lower, p.upper) if end is not None]
    scale = ticks(min([*ends, *([ahead.lower] if ahead else [])]), max([*ends, *([ahead.upper] if ahead else [])]))
    digits = max(len(f"{tick:g}".partition(".")[2]) for tick in scale)

    def y(value: float) -> float:
        return TOP + HEIGHT * (1 - (value - scale[0]) / (scale[-1] - scale[0]))

    grid = "".join(f'<line class="grid" x1="0" x2="100%" y1="{y(t):.1f}" y2="{y(t):.1f}"/>' for t in scale)
    labels = "".join(f'<text x="{WIDTH_OF_LABELS - 8}" y="{y(t) + 4:.1f}" text-anchor="end">{t:.{digits}f}</text>' for t in scale)
    bottom = TOP + HEIGHT
    feet = "".join(
        f'<line class="foot" x1="{_percent(place)}" x2="{_percent(place)}" y1="{bottom}" y2="{bottom + 5}"/>'
        f'<text x="{_percent(place)}" y="{bottom + 21}" text-anchor="middle">{text(label)}</text>'
        for place, label in along.ticks
    )
    points = "".join(
        f'<svg x="{_percent(place)}" overflow="visible"><a class="point" href="#row-{number}" aria-label="{text(_read(found, number))}">'
        f"{_range(y, point.lower, point.upper)}"
        f'<circle cy="{y(point.figure):.1f}" r="6"/><title>{text(_read(found, number))}</title></a></svg>'
        for number, (place, point) in enumerate(zip(along.points, found.points, strict=True))
    )
    about = f"{found.metric} against {along.caption}: {len(found.points)} points. {said.headline}"
    height = bottom + 26
    return (
        f'<figure class="plot"><svg class="axis labels" width="{WIDTH_OF_LABELS}" height="{height}" aria-hidden="true">{labels}</svg>'
        f'<svg class="axis" width="100%" height="{height}" role="group" aria-label="{text(about)}">{grid}'
        f'<line class="foot" x1="0" x2="100%" y1="{bottom}" y2="{bottom}"/>{feet}{_line(found, said, along, y)}{points}</svg>'
        f"<figcaption>{text(found.metric)} ({100 * found.confidence:g}\u00a0% intervals) against {text(along.caption)}.{' Dashed: the line through the points, beyond them.' if ahead else ''}"
        "</figcaption></figure>"
    )


def _line(found: Sweep, said: Conclusion, along: Axis, y) -> str:
    if not (said.trend and said.reach and along.at):
        return ""
    sizes = [point.chats or 0 for point in found.points]
    first, last = min(sizes), max(sizes)

    def piece(kind: str, start: int, end: int) -> str:
        (a, b), (c, d) = ((_percent(along.at(n)), f"{y(said.trend.at(n).value):.1f}") for n in (start, end))
        return f'<line class="{kind}" x1="{a}" x2="{c}" y1="{b}" y2="{d}"/>'

    there = said.trend.at(said.reach)
    return (
        piece("trend", first, last) + piece("trend ahead", last, said.reach) + f'<svg x="{_percent(along.at(said.reach))}" overflow="visible"><g class="ahead">'
        f'{_range(y, there.lower, there.upper)}<circle cy="{y(there.value):.1f}" r="6"/><title>{said.reach} chats, extrapolated: {interval(there)}</title></g></svg>'
    )


def _range(y, lower: float | None, upper: float | None) -> str:
    if lower is None or upper is None:
        return ""
    low, high = f"{y(lower):.1f}", f"{y(upper):.1f}"
    return f'<path d="M0,{low} V{high} M-6,{low} H6 M-6,{high} H6"/>'


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def _read(found: Sweep, number: int) -> str:
    point = found.points[number]
    chats = "" if point.chats is None else f", {point.chats} training chats"
    return f"{found.over}={shown(point.value)}{chats}: {figure(point)}, {' = '.join(point.names)}"
