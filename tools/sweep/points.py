"""From experiments to the points of a sweep: one parameter's values with one metric, of experiments that are alike in everything else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from stages.common.errors import UserError
from tools.sweep.experiments import Experiment

CHATS = ("split.train_limit", "synthesize.chats")
"""Parameters that say how many chats there are: what counts is how many were trained on."""
DRAWS = ("seed", "answer.seed")
"""Parameters that draw the same thing again: experiments that differ in them are repetitions."""
KINDS = ("gold", "log", "import", "book")
ENDS = ("_lower", "_upper", "_upper_bound")


@dataclass(frozen=True)
class Point:
    """One experiment, or several that are one run; `lower` and `upper` are None where the metric has no interval."""

    names: tuple[str, ...]
    value: Any
    """The parameter's."""
    chats: int | None
    """How many chats were trained on."""
    figure: float
    lower: float | None
    upper: float | None
    test: tuple | None
    """What it was measured on: equal for equal test chats; None where that is not known."""


@dataclass(frozen=True)
class Sweep:
    """The points in the order of the axis, and the experiments that are not alike in everything else, with the parameters that differ."""

    file: str
    metric: str
    over: str
    confidence: float
    points: Sequence[Point]
    others: Mapping[str, Sequence[str]]
    unmeasured: Sequence[str] = ()
    """Experiments whose figures are not their own yet: they run, or ended before the metric's stage."""

    @property
    def by_chats(self) -> bool:
        """Whether the axis is the number of training chats."""
        return self.over in CHATS and all(point.chats for point in self.points)

    @property
    def one_test(self) -> bool:
        """Whether all points were measured on the same test chats, as far as that is known."""
        return len({point.test for point in self.points if point.test}) < 2


def sweep(experiments: Sequence[Experiment], asked: str, over: str, where: Mapping[str, Any]) -> Sweep:
    """The sweep of the metric `asked` for, a name or FILE:NAME, over a parameter, among experiments in which the parameters of `where` have its values.

    Of several groups that are alike in everything but the parameter and DRAWS, the one with most values of it is taken, else the first.
    Raises UserError, one sentence, where there is no experiment, no such metric or parameter, or but one value.
    """
    if len(experiments) < 2:
        raise UserError(
            f"no experiment with metrics beside {experiments[0].name if experiments else 'this commit'} (--rev names another); expected a sweep, as {_example(over)}"
        )
    file, metric = _metric(experiments, asked)
    for name in (over, *where):
        _check_parameter(experiments, name)
    chosen = [one for one in experiments if all(one.params.get(name) == value for name, value in where.items())]
    unmeasured = [one.name for one in chosen if file in one.foreign]
    told = {one.name: figures for one in chosen if file not in one.foreign and (figures := _figures(one, file, metric))}
    chosen = [one for one in chosen if one.name in told]
    if unmeasured and len(chosen) < 2:
        raise UserError(f"{file} of {', '.join(unmeasured)} is not theirs: they still run (`dvc queue status`), or were not run as far as that")
    if not chosen:
        raise UserError(f"no experiment with {', '.join(f'{name}={shown(value)}' for name, value in where.items())} has {metric}")
    groups: dict[str, list[Experiment]] = {}
    for one in chosen:
        rest = {name: value for name, value in one.params.items() if name not in (over, *DRAWS)}
        groups.setdefault(json.dumps(rest, sort_keys=True, default=str), []).append(one)
    alike = max(groups.values(), key=lambda group: len({shown(one.params.get(over)) for one in group}))
    values = {shown(one.params.get(over)) for one in alike}
    if len(values) < 2:
        raise UserError(f"{over} is {values.pop()} in all {len(alike)} experiments that are alike in everything else; expected a sweep, as {_example(over)}")
    points = _merged([Point((one.name,), one.params.get(over), _chats(one), *told[one.name]) for one in alike], alike, over)
    if len(points) < 2:
        raise UserError(f"{over} made no difference: {len(alike)} experiments with {len(values)} values of it are one run, on {points[0].chats} training chats")
    others = {one.name: _differing(alike[0], one, over) for one in chosen if one not in alike}
    found = Sweep(file, metric, over, alike[0].params.get("evaluate.confidence", 0.95), points, others, unmeasured)
    return replace(found, points=sorted(points, key=lambda point: _place(found, point)))


def shown(value: Any) -> str:
    """A parameter's value as a person writes it; text that is not printable, quoted."""
    if isinstance(value, list) and value and all(isinstance(one, str) and one.isalnum() for one in value):
        return " + ".join(value)
    return value if isinstance(value, str) and value.isprintable() else json.dumps(value, default=str)


def numeric(points: Sequence[Point]) -> bool:
    """Whether the parameter is a number in all of them."""
    return all(isinstance(point.value, int | float) and not isinstance(point.value, bool) for point in points)


def _place(found: Sweep, point: Point) -> tuple:
    if found.by_chats:
        return point.chats, point.figure
    return (point.value, point.figure) if numeric(found.points) else (point.chats or 0, shown(point.value), point.figure)


def _metric(experiments: Sequence[Experiment], asked: str) -> tuple[str, str]:
    known = {(file, name): None for one in experiments for file, figures in one.metrics.items() for name in figures if not name.endswith(ENDS)}
    found = [(file, name) for file, name in known if asked in (name, f"{file}:{name}")]
    if len(found) > 1:
        raise UserError(
            f"{asked} stands in {' and in '.join(file for file, _ in found)}; expected one of {', '.join(f'{file}:{name}' for file, name in found)}"
        )
    if not found:
        raise UserError(f"no experiment has the metric {shown(asked)}{_nearest(asked, [name for _, name in known])}")
    return found[0]


def _check_parameter(experiments: Sequence[Experiment], name: str) -> None:
    known = dict.fromkeys(known for one in experiments for known in one.params)
    if name not in known:
        raise UserError(f"no experiment has the parameter {shown(name)}{_nearest(name, list(known))}")


def _nearest(asked: str, known: Sequence[str]) -> str:
    near = get_close_matches(asked, known, n=1, cutoff=0.5)
    return f"; the nearest there is: {near[0]}" if near else ""


def _figures(one: Experiment, file: str, metric: str) -> tuple[float, float | None, float | None, tuple | None] | None:
    """(figure, lower, upper, what it was measured on); None where the experiment has no such metric.

    Where all test chats are of one kind evaluate names no kind: the whole is that kind's figure.
    """
    figures, (whole, _, kind) = one.metrics.get(file, {}), metric.rpartition(".")
    by_kind = kind in KINDS
    kept = [name for name in KINDS if one.metrics.get("metrics/curate.json", {}).get(f"kept_{name}")]
    name = whole if by_kind and metric not in figures and kept == [kind] else metric
    if name not in figures:
        return None
    # Chats of one kind stay in their split whatever other kinds take part.
    test = (kind, figures.get(f"test.chats.{kind}", figures.get("test.chats"))) if by_kind else (one.test,) if one.test else None
    return figures[name], figures.get(f"{name}_lower"), figures.get(f"{name}_upper"), test


def _chats(one: Experiment) -> int | None:
    chats = one.metrics.get("metrics/split.json", {}).get("train")
    return None if chats is None else int(chats)


def _merged(points: Sequence[Point], experiments: Sequence[Experiment], over: str) -> list[Point]:
    """The points, those of one and the same run as one: a commit and its experiment, or two limits of which neither was reached, are no two witnesses."""
    seen: dict[str, Point] = {}
    for point, one in zip(points, experiments, strict=True):
        params = {name: value for name, value in one.params.items() if name != over or over not in CHATS}
        run = json.dumps([params, one.metrics], sort_keys=True, default=str)
        seen[run] = replace(seen[run], names=seen[run].names + point.names) if run in seen else point
    return list(seen.values())


def _differing(one: Experiment, other: Experiment, over: str) -> list[str]:
    names = dict.fromkeys([*one.params, *other.params])
    return [f"{name}={shown(other.params.get(name))}" for name in names if name not in (over, *DRAWS) and one.params.get(name) != other.params.get(name)]


def _example(over: str) -> str:
    return f"`dvc exp run --queue -S '{over}=ONE,ANOTHER' evaluate` and `dvc queue start` make one"
