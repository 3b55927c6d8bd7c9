"""What a sweep says, in sentences: for numbers of chats whether more of them are worth it, else which value is best, and what either cannot tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stages.common import size
from stages.evaluate.intervals import Estimate
from tools.compare import noise
from tools.compare.directions import direction
from tools.sweep.points import Point, Sweep, shown
from tools.sweep.trend import NO, OPEN, YES, Trend, fit, worth


@dataclass(frozen=True)
class Conclusion:
    """One line that answers, and the sentences behind it."""

    headline: str
    sentences: tuple[str, ...]
    trend: Trend | None = None
    reach: int | None = None
    """With `trend`: the number of chats that was looked ahead to."""


@dataclass(frozen=True)
class Floor:
    """By how much training seeds alone move the metric; 0 of 0 seeds where nobody has measured it."""

    seeds: int = 0
    range: float = 0.0


def floor(found: Sweep) -> Floor:
    """The noise floor of benchmarks/noise.json, as tools.compare has it."""
    seeds, ranges = noise.read()
    known = ranges.get(found.file, {}).get(found.metric)
    return Floor() if known is None else Floor(seeds, known)


def conclude(found: Sweep, more: int, floor: Floor) -> Conclusion:
    """What the sweep says, about `more` chats where its axis is their number."""
    known = direction(found.file, found.metric)
    better = known.better if known else None
    said = _more_chats(found, better, more, floor) if found.by_chats else _best(found, better)
    return Conclusion(said.headline, (*said.sentences, *_cautions(found, better, floor)), said.trend, said.reach)


def _more_chats(found: Sweep, better: str | None, more: int, floor: Floor) -> Conclusion:
    question = f"Is another {more} chats worth it?"
    now = max(point.chats or 0 for point in found.points)
    then = now + more
    guide = f"The guide's table: {now} chats are \u201c{size.size_class(now)}\u201d, {then} \u201c{size.size_class(then)}\u201d; {size.ADVICE}."
    try:
        trend = fit(*_witnesses(found), found.confidence)
    except ValueError as why:
        return Conclusion(f"{question} Cannot tell: {why}.", (guide,))
    change, there = trend.change(now, more), trend.at(then)
    verdict = worth(change, better, floor.range) if found.one_test else OPEN
    way = "higher" if change.value > 0 else "lower"
    ahead = (
        f"The line through these {len(found.points)} experiments has {found.metric} at {interval(there)} with {then} chats, "
        f"{abs(change.value):.3g} {way} than with {now} (change {interval(change)})."
    )
    far = (
        f"That is extrapolation, to {then / now:.1f} times the largest number that was tried: a learning curve is close to a power law (Hestness et al. 2017), straight against "
        "the logarithm over a small range, and somewhere it flattens; no experiment here has seen where."
    )
    ends = "A rate ends at 0 and at 1, which no line knows." if found.metric.endswith("_rate") and (there.lower < 0 or there.upper > 1) else ""
    scatter = (
        f"The points scatter {trend.widened:.1f} times as far from the line as their intervals say, and its interval is widened by that."
        if trend.widened > 1.05
        else ""
    )
    why = {
        YES: f"by the whole interval a gain{' and more than training seeds make' if floor.seeds else ''}, if the trend goes on",
        NO: f"at most {_most(change, better):.3g} would be gained{', which training seeds alone make' if floor.seeds and _most(change, better) > 0 else ''}, if the trend goes on",
        OPEN: _open(found, change, better),
    }[verdict]
    return Conclusion(f"{question} {verdict.capitalize()}: {why}.", tuple(filter(None, (ahead, far, ends, scatter, guide))), trend, then)


def _witnesses(found: Sweep) -> tuple[list[int], list[Estimate]]:
    """(numbers of chats, figures with intervals). Raises ValueError where the metric has none."""
    estimates = [Estimate(p.figure, p.lower, p.upper) for p in found.points if p.lower is not None and p.upper is not None]
    if len(estimates) < len(found.points):
        raise ValueError(f"{found.metric} has no interval, so that nothing says how sure each figure is")
    return [point.chats or 0 for point in found.points], estimates


def _most(change: Estimate, better: str | None) -> float:
    return change.upper if better == "higher" else -change.lower


def _open(found: Sweep, change: Estimate, better: str | None) -> str:
    if not found.one_test:
        return "the experiments were measured on different test chats"
    if better not in ("lower", "higher"):
        return "neither a lower nor a higher figure is the better one"
    if change.lower <= 0 <= change.upper:
        return "the trend could go either way"
    return "the gain is no larger than what training seeds alone make, or could be"


def _best(found: Sweep, better: str | None) -> Conclusion:
    if better not in ("lower", "higher"):
        return Conclusion(f"{found.metric} of {len(found.points)} experiments: neither a lower nor a higher figure is the better one.", ())
    best, second, *_ = sorted(found.points, key=lambda point: point.figure, reverse=better == "higher")
    overlap = [point for point in found.points if point is not best and _overlap(point, best)]
    open_ones = f"The interval of {', '.join(_name(found, point) for point in overlap)} overlaps with that." if overlap else ""
    pairs = f"`python -m tools.compare {second.names[0]} {best.names[0]}` says of the best two, pair by pair, whether they differ."
    headline = f"The best {found.metric} of these has {_name(found, best)}: {figure(best)} ({better} is better)."
    return Conclusion(headline, tuple(filter(None, (open_ones, pairs))))


def _overlap(one: Point, other: Point) -> bool:
    if one.lower is None or one.upper is None or other.lower is None or other.upper is None:
        return False
    return one.lower <= other.upper and other.lower <= one.upper


def _name(found: Sweep, point: Point) -> str:
    return f"{found.over}={shown(point.value)}"


def _cautions(found: Sweep, better: str | None, floor: Floor) -> Iterator[str]:
    if floor.seeds:
        yield f"Noise floor: {floor.seeds} training seeds alone make {found.metric} differ by {floor.range:.3g} ({noise.FILE})."
    else:
        yield f"Noise floor: not measured for {found.metric} (`python -m benchmarks.noise`); a difference may be the training seed's."
    if not found.one_test:
        yield (
            f"These experiments were measured on different test chats, so their figures cannot be compared: with other sources other chats are held out. "
            f"{found.metric}.gold or another kind's own figure, where evaluate has it, is taken on the same chats."
        )
    if found.unmeasured:
        yield (
            f"Left out, for {found.file} is not theirs but that of what they began from: {', '.join(found.unmeasured)}. They still run (`dvc queue status`), or were not run as far as that."
        )
    if found.others:
        names = "; ".join(f"{name} ({', '.join(differing)})" for name, differing in found.others.items())
        yield f"Left out, for more than {found.over} differs: {names}. `--where NAME=VALUE` draws those with that value."


def interval(estimate: Estimate) -> str:
    """ "48.9 (47.1 to 50.8)"."""
    return f"{estimate.value:.4g} ({estimate.lower:.4g} to {estimate.upper:.4g})"


def figure(point: Point) -> str:
    """A point's figure, with its interval where it has one."""
    return f"{point.figure:.4g}" if point.lower is None or point.upper is None else interval(Estimate(point.figure, point.lower, point.upper))
