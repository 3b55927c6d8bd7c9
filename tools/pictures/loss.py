"""The picture of the losses of the last training, from the series that train writes."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from math import ceil, floor, isfinite, log10
from pathlib import Path

from stages.common.errors import UserError
from tools.pictures.svg import Shape, picture

TRAINING, VALIDATION = Path("plots/train/loss.csv"), Path("plots/train/eval_loss.csv")
HEADING = "Loss in training and on validation"
PLOT = Shape(x=344, y=212, width=560, height=248, row=0)


def read_series(path: Path, column: str) -> list[tuple[int, float]]:
    """(step, value) for each line of a CSV with the columns step and `column`. Raises UserError with file and line where it is another."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames != ["step", column]:
                raise UserError(f"{path}:1: the columns are {', '.join(reader.fieldnames or []) or 'none'}; expected step, {column}")
            series = []
            for row in reader:
                try:
                    step, value = int(row["step"]), float(row[column])
                except (TypeError, ValueError):
                    step, value = -1, 0.0
                if step < 0 or not isfinite(value):
                    raise UserError(f"{path}:{reader.line_num}: expected a step and a number, found {','.join(map(str, row.values()))}")
                series.append((step, value))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` first, whose train stage writes it") from None
    if not series:
        raise UserError(f"{path}: holds no step; run `dvc repro` first, whose train stage writes it")
    return series


def ticks(low: float, high: float, least: float = 0.0) -> list[float]:
    """Two to seven round places that enclose `low` to `high`, 1, 2, 2.5 or 5 times a power of ten apart, and `least` or more."""
    span = max(high - low, 5 * least, abs(high) * 1e-3, 1e-6)
    power = 10.0 ** floor(log10(span / 5))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power * 5 >= span * (1 - 1e-9) and factor * power >= least)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(step * number, 10) for number in range(first, max(last, first + 1) + 1)]


def _apart(wanted: Sequence[float], least: float) -> list[float]:
    """Two heights moved apart evenly, their order kept, until they are `least` apart."""
    missing = max(0.0, least - abs(wanted[0] - wanted[1])) / 2
    sign = 1 if wanted[0] >= wanted[1] else -1
    return [wanted[0] + sign * missing, wanted[1] - sign * missing]


def draw(training: Sequence[tuple[int, float]], validation: Sequence[tuple[int, float]]) -> str:
    """The SVG of both losses in nats a token against the step."""
    both = [*training, *validation]
    last = max(max(step for step, _ in both), 1)
    scale = ticks(min(loss for _, loss in both), max(loss for _, loss in both))
    digits = max(len(f"{tick:g}".partition(".")[2]) for tick in scale)

    def x(step: float) -> float:
        return PLOT.left + PLOT.width * step / last

    def y(loss: float) -> float:
        return PLOT.bottom - PLOT.height * (loss - scale[0]) / (scale[-1] - scale[0])

    parts = [f'<text class="heading" x="24" y="36">{HEADING}</text>']
    (first_step, first), (end_step, end) = validation[0], validation[-1]
    began = "before training" if first_step == 0 else f"at step {first_step}"
    story = f"Validation loss: {first:.2f} {began}, {end:.2f} at step {end_step}" if len(validation) > 1 else f"Validation loss: {first:.2f} {began}"
    parts.append(f'<text class="words" x="24" y="57">{story}; nats a token, lower is better.</text>')
    for tick in scale:
        parts.append(
            f'<line class="grid" x1="{PLOT.left:g}" x2="{PLOT.right:g}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
            f'<text class="tick" x="{PLOT.left - 8:g}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.{digits}f}</text>'
        )
    # The last step has its number, and so has each round one that leaves room for it.
    for tick in [*(tick for tick in ticks(0, last, least=1) if x(last) - x(tick) > 36), last]:
        parts.append(
            f'<line class="axis" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{PLOT.bottom:g}" y2="{PLOT.bottom + 5:g}"/>'
            f'<text class="tick" x="{x(tick):.1f}" y="{PLOT.bottom + 20:g}" text-anchor="middle">{tick:.0f}</text>'
        )
    parts.append(f'<line class="axis" x1="{PLOT.left:g}" x2="{PLOT.right:g}" y1="{PLOT.bottom:g}" y2="{PLOT.bottom:g}"/>')
    parts.append(f'<text class="tick" x="{PLOT.x:g}" y="{PLOT.bottom + 40:g}" text-anchor="middle">training step</text>')
    parts.append(f'<text class="tick" transform="translate(26 {PLOT.y:g}) rotate(-90)" text-anchor="middle">nats a token</text>')
    labels = _apart([y(training[-1][1]), y(end)], 36)
    for name, series, label in (("training", training, labels[0]), ("validation", validation, labels[1])):
        points = [f"{x(step):.1f},{y(loss):.1f}" for step, loss in series]
        step, loss = series[-1]
        parts.append(f'<g class="series {name}"><polyline points="{" ".join(points)}"/>')
        if name == "validation" or len(series) == 1:
            parts.extend(f'<circle cx="{x(step):.1f}" cy="{y(loss):.1f}" r="3.5"/>' for step, loss in series)
        parts.append(
            f'<path class="leader" d="M{x(step) + 6:.1f},{y(loss):.1f} L{PLOT.right + 16:g},{label:.1f}"/>'
            f'<text class="label" x="{PLOT.right + 22:g}" y="{label - 2:.1f}">{name}</text>'
            f'<text class="value" x="{PLOT.right + 22:g}" y="{label + 14:.1f}">{loss:.2f}</text></g>'
        )
    about = f"Training loss goes from {training[0][1]:.2f} at step {training[0][0]} to {training[-1][1]:.2f} at step {training[-1][0]}. {story}."
    return picture(396, f"{HEADING}, in nats a token", about, parts)
