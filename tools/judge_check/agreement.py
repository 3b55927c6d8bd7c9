"""How far a judge agrees with people: Pearson's r, Krippendorff's alpha, the confusion matrix, and whether that is enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low

import numpy as np

from stages.evaluate.intervals import Estimate
from stages.evaluate.krippendorff import RELIABLE, TENTATIVE, alpha, estimate

RESAMPLES, CONFIDENCE, SEED = 2000, 0.95, 0
FEW = 10  # items below which no interval means anything
MOST_VALUES = 11  # of a scale that is shown as it is; a finer one is shown in whole numbers


@dataclass(frozen=True)
class Rated:
    """One aspect of one item: what people gave, one or several, and what the judge gave."""

    item: str
    aspect: str
    people: tuple[float, ...]
    judge: float

    @property
    def human(self) -> float:
        """What people say: the median, of two middle ones the lower, so that it is on the scale."""
        return median_low(self.people)


@dataclass(frozen=True)
class Agreement:
    """Over `count` items: `pearson` and `alpha` are None where one side gave one value alone; `shift` is the judge's mean minus the people's."""

    count: int
    pearson: float | None
    alpha: Estimate | None
    among_people: float | None
    """Alpha of the people among themselves, where any item has two; a judge can hardly do better."""
    shift: float


def pearson(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Pearson's correlation; None where either side does not vary."""
    x, y = np.array(pairs, dtype=float).T
    x, y = x - x.mean(), y - y.mean()
    spread = np.sqrt((x @ x) * (y @ y))
    return float(np.clip(x @ y / spread, -1, 1)) if spread > 0 else None


def agreement(rated: Sequence[Rated]) -> Agreement:
    """The figures of one aspect's items, each item once. Alpha is ordinal, with a bootstrap interval by item."""
    pairs = [(one.human, one.judge) for one in rated]
    found = estimate(pairs, "ordinal", RESAMPLES, CONFIDENCE, np.random.default_rng(SEED))
    shift = sum(judge - human for human, judge in pairs) / len(pairs)
    return Agreement(len(pairs), pearson(pairs), found, alpha([one.people for one in rated], "ordinal"), shift)


def confusion(rated: Sequence[Rated]) -> tuple[list[float], np.ndarray]:
    """(values of the scale, counts): in row i and column j how often people gave value i and the judge value j. A fine scale is rounded to whole numbers."""
    pairs = [(one.human, one.judge) for one in rated]
    if len({value for pair in pairs for value in pair}) > MOST_VALUES:
        pairs = [(float(round(human)), float(round(judge))) for human, judge in pairs]
    values = sorted({value for pair in pairs for value in pair})
    counts = Counter(pairs)
    return values, np.array([[counts[human, judge] for judge in values] for human in values])


def trust(found: Agreement) -> str:
    """ "yes", "tentative", "no" or "few", by Krippendorff's own thresholds (2019, Content Analysis, chapter 12): rely on variables with alpha from 0.8 on, draw
    tentative conclusions from 0.667 on, and discard the rest. "yes" also wants the interval's lower end above the second."""
    if found.count < FEW:
        return "few"
    if found.alpha is None or found.alpha.value < TENTATIVE:
        return "no"
    return "yes" if found.alpha.value >= RELIABLE and found.alpha.lower >= TENTATIVE else "tentative"


def sentence(each: Mapping[str, Agreement]) -> str:
    """Whether to trust the judge, aspect by aspect, in one sentence."""
    words = {
        "yes": "trust the judge on",
        "tentative": "take it as a hint, to be checked with more ratings, on",
        "no": "do not trust it on",
        "few": f"fewer than {FEW} items show nothing on",
    }
    states = {aspect: trust(found) for aspect, found in each.items()}
    told = [
        f"{said} {', '.join(_shown(aspect, each[aspect]) for aspect in states if states[aspect] == state)}"
        for state, said in words.items()
        if state in states.values()
    ]
    whole = "; ".join(told)
    return f"{whole[0].upper()}{whole[1:]} (Krippendorff 2019: alpha from {RELIABLE} on is reliable, from {TENTATIVE} on allows tentative conclusions)."


def _shown(aspect: str, found: Agreement) -> str:
    return f"{aspect} (alpha {'none: one value alone' if found.alpha is None else f'{found.alpha.value:.2f}'})"


def report(rated: Sequence[Rated]) -> str:
    """The whole answer as text: a table by aspect, the confusion matrix of all, and the sentence."""
    aspects = list(dict.fromkeys(one.aspect for one in rated))
    each = {aspect: agreement([one for one in rated if one.aspect == aspect]) for aspect in aspects}
    rows = [("aspect", "n", "Pearson", f"alpha ({CONFIDENCE:.0%} interval)", "among people", "judge - people")]
    for aspect, found in each.items():
        interval = "none" if found.alpha is None else f"{found.alpha.value:.3f} ({found.alpha.lower:.3f} to {found.alpha.upper:.3f})"
        rows.append((aspect, str(found.count), _figure(found.pearson), interval, _figure(found.among_people), f"{found.shift:+.2f}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]) for row in rows]
    return "\n".join([*lines, "", *_matrix(rated), "", sentence(each)])


def _matrix(rated: Sequence[Rated]) -> list[str]:
    values, counts = confusion(rated)
    width = max(6, *(len(str(count)) for count in counts.flat))
    heads = "".join(f"{value:>{width}g}" for value in values)
    body = [f"{value:>8g}{''.join(f'{count:>{width}}' for count in row)}" for value, row in zip(values, counts, strict=True)]
    return [f"How often people gave the row's value and the judge the column's, all {len(rated)} scores:", f"{'':>8}{heads}", *body]


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
