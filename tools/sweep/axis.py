"""Where points stand along the axis of a sweep: numbers by their size, on a logarithmic scale where they span much, and anything else side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log

from tools.sweep.points import Sweep, numeric, shown

WIDE = 4  # values that span this factor stand on a logarithmic scale: a rank of 64 is to 32 what 16 is to 8
ROOM = 0.08  # of the axis, at either end
APART = 0.09  # of the axis, at least, between two labels
LABEL = 14  # characters of a label; the table has the whole value


@dataclass(frozen=True)
class Axis:
    """Shares of the axis, 0 at its left end, 1 at its right."""

    points: Sequence[float]
    """One for each point of the sweep; those of one value stand side by side."""
    ticks: Sequence[tuple[float, str]]
    caption: str
    at: Callable[[float], float] | None
    """The place of a number; None where the values are none."""


def axis(found: Sweep, reach: int | None) -> Axis:
    """The axis of a sweep, long enough for `reach` chats."""
    if found.by_chats:
        values: list[float] = [float(point.chats or 0) for point in found.points]
        at = _scale([*values, *([reach] if reach else [])], logarithmic=True)
        ticks = _spaced([(at(tick), f"{tick:,}") for tick in _ladder(min(values), reach or max(values))])
        return Axis(_beside([at(value) for value in values]), ticks, "training chats, on a logarithmic scale", at)
    if numeric(found.points):
        values = [float(point.value) for point in found.points]
        logarithmic = min(values) > 0 and max(values) >= WIDE * min(values)
        at = _scale(values, logarithmic)
        ticks = _spaced([(at(value), f"{value:g}") for value in dict.fromkeys(values)])
        return Axis(_beside([at(value) for value in values]), ticks, f"{found.over}{', on a logarithmic scale' if logarithmic else ''}", at)
    names = [shown(point.value) for point in found.points]
    places = {name: (number + 0.5) / len(set(names)) for number, name in enumerate(dict.fromkeys(names))}
    return Axis(_beside([places[name] for name in names]), [(place, _short(name)) for name, place in places.items()], found.over, None)


def _scale(values: Sequence[float], logarithmic: bool) -> Callable[[float], float]:
    turned: Callable[[float], float] = log if logarithmic else float
    low, high = turned(min(values)), turned(max(values))
    span = (high - low) or 1.0
    return lambda value: ROOM + (1 - 2 * ROOM) * (turned(value) - low) / span


def _ladder(low: float, high: float) -> list[int]:
    """1, 2 and 5 times powers of ten from `low` to `high`; the two themselves where fewer than two lie between."""
    steps = [factor * 10**power for power in range(10) for factor in (1, 2, 5) if low <= factor * 10**power <= high]
    return steps if len(steps) > 1 else list(dict.fromkeys([int(low), int(high)]))


def _spaced(ticks: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    kept: list[tuple[float, str]] = []
    for place, label in ticks:
        if not kept or place - kept[-1][0] >= APART:
            kept.append((place, label))
    return kept


def _beside(places: Sequence[float]) -> list[float]:
    """Points of one place moved apart, a fiftieth of the axis each."""
    return [place + 0.02 * (places[:number].count(place) - (places.count(place) - 1) / 2) for number, place in enumerate(places)]


def _short(name: str) -> str:
    return name if len(name) <= LABEL else f"{name[: LABEL - 1]}\u2026"
