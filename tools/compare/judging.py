"""Of each metric of two sides: is B better, worse, or can nobody tell, by what test, on what n."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import hypot

from stages.evaluate.intervals import Estimate
from stages.evaluate.verdicts import FEW, lower_by_permutation
from tools.compare.directions import direction
from tools.compare.pairs import Paired
from tools.compare.sides import Side

EVALUATION = "metrics/evaluate.json"
ENDS = ("_lower", "_upper", "_upper_bound")
BETTER, WORSE, OPEN = "better", "worse", "cannot tell"
SAME = "the same"


@dataclass(frozen=True)
class Row:
    """One metric: its figures, and what they say about B."""

    file: str
    metric: str
    a: float
    b: float
    better: str
    """Which figure is the better one: lower, higher, or nearer to the gold."""
    verdict: str
    test: str
    n: int | None
    difference: float | None = None
    lower: float | None = None
    upper: float | None = None
    """What the test is about, with its interval: a difference, a ratio for perplexity, a change of the distance from the gold for mean_words."""
    none: float = 0.0
    """What it is where there is no difference: 1 for a ratio."""
    why: str = ""
    """Why nobody can tell."""


def rows(a: Side, b: Side, pairs: Mapping[str, Paired], seeds: int, ranges: Mapping[str, Mapping[str, float]], confidence: float) -> list[Row]:
    """A row for each metric that both sides have and of which it is known which way is better; interval ends belong to their metric's row.

    `ranges` is the noise floor: by how much each metric differed between `seeds` trainings. It does not apply where both sides have one and the same adapter.
    """
    one_training = a.adapter() is not None and a.adapter() == b.adapter()
    result = []
    for file, figures in a.metrics.items():
        for metric in figures:
            known, other = direction(file, metric), b.metrics.get(file, {}).get(metric)
            if known is None or other is None or metric.endswith(ENDS):
                continue
            noise = None if one_training else ranges.get(file, {}).get(metric)
            result.append(_tested(a, b, file, metric, pairs.get(metric) if file == EVALUATION else None, confidence, seeds, noise))
    return result


def unranked(a: Side, b: Side) -> list[tuple[str, str, float | None, float | None]]:
    """(file, metric, A's, B's) of what differs and has no better side, or is only one side's."""
    found = []
    for file in sorted({*a.metrics, *b.metrics}):
        mine, theirs = a.metrics.get(file, {}), b.metrics.get(file, {})
        for metric in dict.fromkeys([*mine, *theirs]):
            both = metric in mine and metric in theirs
            if (
                not metric.endswith(ENDS)
                and not metric.startswith("sampling.")
                and mine.get(metric) != theirs.get(metric)
                and not (both and direction(file, metric))
            ):
                found.append((file, metric, mine.get(metric), theirs.get(metric)))
    return found


def _tested(a: Side, b: Side, file: str, metric: str, pair: Paired | None, confidence: float, seeds: int, noise: float | None) -> Row:
    known = direction(file, metric)
    assert known is not None
    mine, theirs = a.metrics[file], b.metrics[file]
    own = Row(file, metric, mine[metric], theirs[metric], known.better, OPEN, "", None)
    if pair:
        test, n, none, estimate = pair.test, pair.n, pair.none, pair.difference
    elif (estimate := _of_intervals(mine, theirs, metric)) is not None:
        counts = [sum(int(figures.get(name, 0)) for name in known.counts) for figures in (mine, theirs)]
        test, n, none = "the two intervals, as if independent", min(counts) or None, 0.0
    elif noise is not None:
        test, n, none, estimate = f"range of {seeds} training seeds", seeds, 0.0, Estimate(*(theirs[metric] - mine[metric],) * 3)
    else:
        return replace(own, why=SAME if mine[metric] == theirs[metric] else "neither interval nor noise floor")
    row = replace(own, test=test, n=n, difference=estimate.value, lower=estimate.lower, upper=estimate.upper, none=none)
    if pair and pair.p is not None:
        side = lower_by_permutation(estimate, pair.p, confidence)
        clear, below = side != 0, side < 0
    else:
        clear, below = not estimate.lower <= none <= estimate.upper, estimate.value < none
    if not clear:
        return replace(row, why=SAME if mine[metric] == theirs[metric] else "chance could do that")
    if n is not None and n < FEW and "seeds" not in test:
        return replace(row, why=f"n below {FEW} shows nothing")
    if noise is not None and abs(theirs[metric] - mine[metric]) <= noise:
        return replace(row, why=f"within the {noise:g} by which {seeds} training seeds differ")
    return replace(row, verdict=BETTER if below == (known.better != "higher") else WORSE)


def _of_intervals(a: Mapping[str, float], b: Mapping[str, float], metric: str) -> Estimate | None:
    """B's figure minus A's, its interval put together from the two sides' own, as if their prompts had been drawn apart.

    Zou and Donner 2008, https://doi.org/10.1002/sim.3095 (the method of variance estimates recovery). Pairs that are alike make the true interval shorter.
    """
    if any(f"{metric}{end}" not in side for side in (a, b) for end in ("_lower", "_upper")):
        return None
    difference = b[metric] - a[metric]
    down = hypot(b[metric] - b[f"{metric}_lower"], a[f"{metric}_upper"] - a[metric])
    up = hypot(b[f"{metric}_upper"] - b[metric], a[metric] - a[f"{metric}_lower"])
    return Estimate(difference, difference - down, difference + up)
