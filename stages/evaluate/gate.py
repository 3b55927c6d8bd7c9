"""The gate: whether a model may be published and served, by bounds of metrics/evaluate.json that params.yaml sets beforehand.

A result outside of a bound is a result: evaluate writes it down and ends well. Whoever hands the model to others asks `refuse` first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import read_json

FILE = "metrics/gate.json"


@dataclass(frozen=True)
class Bound:
    """One bound of `evaluate.gate`, and the metric's value: at least `min` where there is one, at most `max` where there is one."""

    metric: str
    value: float
    min: float | None = None
    max: float | None = None

    @property
    def passed(self) -> bool:
        return (self.min is None or self.value >= self.min) and (self.max is None or self.value <= self.max)

    @property
    def told(self) -> str:
        """ "tuned.empty_rate is 0.25; at most 0.05"."""
        asked = [f"{word} {end:g}" for word, end in (("at least", self.min), ("at most", self.max)) if end is not None]
        return f"{self.metric} is {self.value:g}; {' and '.join(asked)}"


def judge(gate: Sequence[Mapping], figures: Mapping[str, float]) -> list[Bound]:
    """The bounds of `evaluate.gate` in their order with the values of `figures`, which are those of metrics/evaluate.json.

    Raises UserError where a metric has no figure, with the nearest name that has one, where it is bound twice, and where no value could be within its bounds.
    """
    bounds: dict[str, Bound] = {}
    for bound in gate:
        name = bound["metric"]
        if name not in figures:
            near = get_close_matches(name, figures, n=1, cutoff=0.0)
            raise UserError(f"params.yaml: evaluate.gate: no metric {name} in this evaluation; the nearest name is {near[0]}")
        if bound.get("min") is not None and bound.get("max") is not None and bound["min"] > bound["max"]:
            raise UserError(f"params.yaml: evaluate.gate: {name} is to be at least {bound['min']:g} and at most {bound['max']:g}; no value is both")
        if name in bounds:
            raise UserError(f"params.yaml: evaluate.gate: {name} stands there twice; expected one bound, with min and max where it has both")
        bounds[name] = Bound(value=figures[name], **bound)
    return list(bounds.values())


def flat(bounds: Sequence[Bound]) -> dict[str, float]:
    """metrics/gate.json: `passed` (1 or 0), how many `bounds` and how many `failed`; METRIC.value, .min, .max and .passed of each."""
    result: dict[str, float] = {
        "passed": int(all(bound.passed for bound in bounds)),
        "bounds": len(bounds),
        "failed": sum(not bound.passed for bound in bounds),
    }
    for bound in bounds:
        ends = {end: value for end, value in (("min", bound.min), ("max", bound.max)) if value is not None}
        result |= {f"{bound.metric}.{name}": value for name, value in {"value": bound.value, **ends, "passed": int(bound.passed)}.items()}
    return result


def read(path: str | Path = FILE) -> list[Bound]:
    """The bounds that `flat` wrote. Raises UserError where there is no such file, or it is none of ours."""
    if not Path(path).exists():
        raise UserError(f"{path}: no such file; run `dvc repro` first, whose evaluate stage writes it")
    found = read_json(path)
    numbers = isinstance(found, dict) and all(isinstance(value, int | float) for value in found.values())
    names = [name.removesuffix(".value") for name in found if name.endswith(".value")] if numbers else []
    bounds = [Bound(name, *(found.get(f"{name}.{part}") for part in ("value", "min", "max"))) for name in names]
    if found != flat(bounds):
        raise UserError(f"{path}: not what the evaluate stage writes of {len(bounds)} bounds: run `dvc repro evaluate`")
    return bounds


def refuse(forced: Collection[str] = (), path: str | Path = FILE) -> list[Bound]:
    """For whoever publishes or serves a model: raise UserError where a bound is failed whose metric is not `forced` by its name.

    Returns the failed bounds that were forced, to be told beside the model. Forcing a bound that is not failed is refused too: somebody believes what is not so.
    """
    failed = {bound.metric: bound for bound in read(path) if not bound.passed}
    if idle := sorted(set(forced) - failed.keys()):
        raise UserError(f"{path}: {', '.join(idle)} cannot be forced; the failed bounds are those of {', '.join(failed) or 'no metric'}")
    if stopped := [bound for name, bound in failed.items() if name not in forced]:
        raise UserError(f"{path}: the model fails {'; '.join(bound.told for bound in stopped)}: train a better one, or force each of these by its name")
    return list(failed.values())
