"""Draws the README's two pictures: the pipeline as dvc.yaml has it now, and the losses of the last training.

    python -m tools.pictures

Writes docs/pipeline.svg and docs/loss.svg. The same inputs give the same bytes, so git shows a changed picture only where the pipeline
or the training changed. Each picture brings its own ground, light or dark as the reader's system asks, since it cannot know the page's.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, isfinite, log10
from pathlib import Path, PurePosixPath
from typing import Any

from stages.common.errors import UserError, run
from stages.common.files import write_text
from stages.common.params import read_yaml

REPORT_STYLE = Path(__file__).resolve().parents[1] / "stages" / "evaluate" / "page.css"
WIDTH = 760

# --- the pipeline: what dvc.yaml does not say, a few words and a column for each shape ---------------------------------

LEFT, CENTRE, RIGHT = (140, 176), (384, 248), (642, 192)  # a column's middle and its width, in pixels
ROW, BOX, PILL = 80, 54, 46  # from row to row; the height of a stage; the height of an input


@dataclass(frozen=True)
class Stage:
    """How a stage is drawn. Its row, its folder and its arrows come from dvc.yaml."""

    words: str
    column: tuple[int, int] = CENTRE


@dataclass(frozen=True)
class Input:
    """How something that people bring is drawn: beside its first reader, or a row above it."""

    title: str
    words: str
    reads: tuple[str, ...]
    """The deps or params of dvc.yaml by which a stage reads it."""
    column: tuple[int, int]
    above: bool = False


STAGES = {
    "base": Stage("brings the base model", RIGHT),
    "curate": Stage("checks gold chats, adds their ids"),
    "synthesize": Stage("a teacher writes new chats"),
    "filter": Stage("drops chats that break a rule"),
    "split": Stage("holds out validation and test"),
    "train": Stage("trains a LoRA adapter with Axolotl"),
    "answer": Stage("prompted and tuned both answer"),
    "evaluate": Stage("scores both, writes the report"),
    "merge": Stage("puts adapter into base", RIGHT),
}
INPUTS = (
    Input("data/characters", "character cards", ("data/characters",), (298, 156), above=True),
    Input("data/gold", "hand-written chats", ("data/gold",), (470, 156), above=True),
    Input("data/prompts", "scenarios", ("data/prompts/scenarios.yaml",), LEFT),
    Input("teacher", "served here or elsewhere", ("synthesize.teacher",), RIGHT),
    Input("base model", "wheel, hub or folder", ("base_model",), RIGHT, above=True),
    Input("data/prompts", "evaluation, red team", ("data/prompts/evaluation.jsonl", "data/prompts/redteam.jsonl"), LEFT),
)
# Longer paths imply these two as well, but test chats that skip the training, and a base that is merged, are what a reader looks for.
DRAWN_ANYWAY = {("split", "evaluate"), ("base", "merge")}
KINDS = {"data": "chats", "models": "model"}


def _paths(entries: Sequence[Any]) -> list[str]:
    """The paths of a list in dvc.yaml, where an entry with options is a mapping of one key."""
    return [next(iter(entry)) if isinstance(entry, Mapping) else entry for entry in entries]


def written(stage: Mapping) -> list[str]:
    """All paths that a stage of dvc.yaml writes."""
    return [path for key in ("outs", "metrics", "plots") for path in _paths(stage.get(key, []))]


def _holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def flows(stages: Mapping[str, Mapping]) -> dict[tuple[str, str], list[str]]:
    """For each pair of stages of which the second reads what the first writes: the deps by which it does."""
    found: dict[tuple[str, str], list[str]] = {}
    for giver, gives in stages.items():
        for taker, takes in stages.items():
            deps = [dep for dep in _paths(takes.get("deps", [])) if any(_holds(out, dep) or _holds(dep, out) for out in written(gives))]
            if giver != taker and deps:
                found[giver, taker] = deps
    return found


def brought(stages: Mapping[str, Mapping]) -> dict[tuple[int, str], list[str]]:
    """For each input, by its place in INPUTS, and each stage that reads it: the deps and params by which it does."""
    found = {}
    for number, source in enumerate(INPUTS):
        for name, stage in stages.items():
            if reads := [read for read in _paths(stage.get("deps", [])) + _paths(stage.get("params", [])) if read in source.reads]:
                found[number, name] = reads
    return found


def check_known(stages: Mapping[str, Mapping]) -> None:
    """Raise UserError where dvc.yaml and the tables above differ: a stage or an input that only one of them has."""
    if different := sorted(set(stages) ^ set(STAGES)):
        raise UserError(f"dvc.yaml and STAGES in tools/pictures.py differ in {', '.join(different)}: give each stage its words there")
    outs = [out for stage in stages.values() for out in written(stage)]
    deps = {dep for stage in stages.values() for dep in _paths(stage.get("deps", [])) if dep.startswith("data/")}
    free = {dep for dep in deps if not any(_holds(out, dep) or _holds(dep, out) for out in outs)}
    reads = {read for source in INPUTS for read in source.reads}
    used = {read for reads in brought(stages).values() for read in reads}
    if different := sorted((free - reads) | (reads - used)):
        raise UserError(f"dvc.yaml and INPUTS in tools/pictures.py differ in {', '.join(different)}: name what people bring there")


def without_implied(arrows: Sequence[tuple]) -> list[tuple]:
    """The arrows that no longer path of the others implies, and those of DRAWN_ANYWAY."""
    after: dict[Any, list] = {}
    for start, end in arrows:
        after.setdefault(start, []).append(end)

    def reaches(start: Any, end: Any) -> bool:
        return start == end or any(reaches(step, end) for step in after.get(start, []))

    return [(start, end) for start, end in arrows if (start, end) in DRAWN_ANYWAY or not any(reaches(step, end) for step in after[start] if step != end)]


def rows(stages: Mapping[str, Mapping]) -> dict[str, int]:
    """Each stage's row, below all that it reads; one that reads no other stage stands just above its first reader."""
    pairs = flows(stages)

    def depth(name: str) -> int:
        return max((depth(giver) + 1 for giver, taker in pairs if taker == name), default=0)

    found = {name: depth(name) for name in stages}
    takers = {name: [taker for giver, taker in pairs if giver == name] for name in stages}
    first = {name for name in stages if found[name] == 0 and takers[name]}
    return {name: min(found[taker] for taker in takers[name]) - 1 if name in first else row for name, row in found.items()}


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


def places(stages: Mapping[str, Mapping]) -> dict[Any, Shape]:
    """Where each stage, by name, and each input, by its place in INPUTS, is drawn."""
    row = rows(stages)
    at = {name: (row[name], STAGES[name].column, BOX) for name in stages}
    for number, source in enumerate(INPUTS):
        first = min(row[name] for other, name in brought(stages) if other == number)
        at[number] = (first - source.above, source.column, PILL)
    top = min(number for number, _, _ in at.values())
    return {key: Shape(x, 50 + ROW * (number - top), width, height, number) for key, (number, (x, width), height) in at.items()}


def route(start: Shape, end: Shape, shapes: Sequence[Shape], rail: float) -> list[tuple[float, float]]:
    """The corners of the arrow between two shapes: straight, with one turn, with two, or along `rail` on the far left where others stand between."""
    if start.row == end.row:
        return [(start.right, start.y), (end.left, end.y)] if start.x < end.x else [(start.left, start.y), (end.right, end.y)]
    below = [shape for shape in shapes if shape.x == start.x and start.row < shape.row <= end.row and shape != end]
    if end.left < start.x < end.right:
        if not below:
            return [(start.x, start.bottom), (start.x, end.top)]
        return [(start.left, start.y), (rail, start.y), (rail, end.y), (end.left, end.y)]
    side = end.left if start.x < end.x else end.right
    if not below:
        return [(start.x, start.bottom), (start.x, end.y), (side, end.y)]
    middle = (start.bottom + end.top) / 2
    # Off the middle of the lower shape, which is where a line from straight above it ends.
    enter = end.x + (end.width / 4 if start.x > end.x else -end.width / 4)
    return [(start.x, start.bottom), (start.x, middle), (enter, middle), (enter, end.top)]


def _line(corners: Sequence[tuple[float, float]], radius: float = 9) -> str:
    """An SVG path through `corners`, each turn rounded."""
    parts = [f"M{corners[0][0]:g},{corners[0][1]:g}"]
    for before, here, after in zip(corners, corners[1:], corners[2:], strict=False):
        near = [tuple(h + max(-radius, min(radius, o - h)) for h, o in zip(here, other, strict=True)) for other in (before, after)]
        parts.append(f"L{near[0][0]:g},{near[0][1]:g} Q{here[0]:g},{here[1]:g} {near[1][0]:g},{near[1][1]:g}")
    return " ".join([*parts, f"L{corners[-1][0]:g},{corners[-1][1]:g}"])


def _folder(stage: Mapping) -> str:
    """The folder that a stage's first out is, or lies in; an out without a suffix is a folder."""
    path = PurePosixPath(next(iter(_paths(stage.get("outs", []))), ""))
    return f"{path.parent if path.suffix else path}/"


def pipeline(dvc: Mapping) -> str:
    """The SVG of the pipeline in `dvc`, a parsed dvc.yaml. Raises UserError where it holds a stage or an input that has no words here."""
    stages = dvc["stages"]
    check_known(stages)
    shapes = places(stages)
    reads: dict[tuple, list[str]] = {**brought(stages), **flows(stages)}
    arrows = without_implied(list(reads))
    titles = {**{name: name for name in stages}, **{number: source.title for number, source in enumerate(INPUTS)}}
    parts, rail = [], 34.0
    for start, end in arrows:
        corners = route(shapes[start], shapes[end], list(shapes.values()), rail)
        files = ", ".join(reads[start, end])
        label = ""
        if any(x == rail for x, _ in corners):
            names = ", ".join(PurePosixPath(read).name for read in reads[start, end])
            label = f'<text class="path" x="{(rail + corners[0][0]) / 2:g}" y="{corners[0][1] - 8:g}" text-anchor="middle">{escape(names)}</text>'
            rail -= 10
        parts.append(
            f'<g class="arrow" data-from="{escape(titles[start])}" data-to="{escape(end)}">'
            f"<title>{escape(titles[start])} to {escape(end)}: {escape(files)}</title>"
            f'<path d="{_line(corners)}" marker-end="url(#head)"/>{label}</g>'
        )
    for number, source in enumerate(INPUTS):
        shape = shapes[number]
        parts.append(
            f'<g class="input"><rect x="{shape.left:g}" y="{shape.top:g}" width="{shape.width:g}" height="{shape.height:g}" rx="{PILL / 2:g}"/>'
            f'<text class="name" x="{shape.x:g}" y="{shape.y - 3:g}" text-anchor="middle">{escape(source.title)}</text>'
            f'<text class="words" x="{shape.x:g}" y="{shape.y + 13:g}" text-anchor="middle">{escape(source.words)}</text></g>'
        )
    for name, stage in stages.items():
        shape, folder = shapes[name], _folder(stage)
        x, y = f"{shape.left:g}", f"{shape.top:g}"
        parts.append(
            f'<g class="stage {KINDS.get(folder.split("/")[0], "report")}" data-stage="{escape(name)}"><title>{escape(stage.get("desc", name))}</title>'
            f'<rect x="{x}" y="{y}" width="{shape.width:g}" height="{shape.height:g}" rx="6"/>'
            f'<path class="kind" d="M{shape.left + 6:g},{y} a6,6 0 0 0 -6,6 v{BOX - 12} a6,6 0 0 0 6,6 z"/>'
            f'<text class="name" x="{shape.left + 17:g}" y="{shape.y - 5:g}">{escape(name)}</text>'
            f'<text class="path" x="{shape.right - 12:g}" y="{shape.y - 5:g}" text-anchor="end">{escape(folder)}</text>'
            f'<text class="words" x="{shape.left + 17:g}" y="{shape.y + 15:g}">{escape(STAGES[name].words)}</text></g>'
        )
    height = max(shape.bottom for shape in shapes.values()) + 56
    note = "Arrows carry what one stage writes and another reads; most of those that a longer path implies are left out."
    parts.append(f'<text class="words" x="{WIDTH / 2:g}" y="{height - 20:g}" text-anchor="middle">{note}</text>')
    takes = {name: [titles[start] for start, end in arrows if end == name] for name in stages}
    says = "; ".join(f"{name} reads from {' and '.join(dict.fromkeys(takes[name]))}" for name in stages if takes[name])
    return picture(height, "The pipeline, as dvc.yaml has it", f"{len(stages)} stages: {says}.", parts)


# --- the losses --------------------------------------------------------------------------------------------------------

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


def losses(training: Sequence[tuple[int, float]], validation: Sequence[tuple[int, float]]) -> str:
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


# --- what both share ---------------------------------------------------------------------------------------------------

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
    """The evaluation report's colours by name, light and dark."""
    roots = re.findall(r":root \{(.*?)\}", REPORT_STYLE.read_text(encoding="utf-8"), re.DOTALL)
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


def main() -> None:
    write_text("docs/pipeline.svg", pipeline(read_yaml("dvc.yaml")))
    print("docs/pipeline.svg")
    write_text("docs/loss.svg", losses(read_series(TRAINING, "loss"), read_series(VALIDATION, "eval_loss")))
    print("docs/loss.svg")


if __name__ == "__main__":
    run(main)
