"""The picture of the pipeline: stages, rows and arrows as dvc.yaml has them now, and a few words that it does not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import PurePosixPath
from typing import Any

from stages.common.errors import UserError
from tools.pictures.svg import WIDTH, Shape, picture

LEFT, CENTRE, RIGHT = (108, 168), (376, 292), (652, 198)  # a column's middle and its width, in pixels
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
    "curate": Stage("checks chats, adds their ids"),
    "synthesize": Stage("a teacher writes new chats"),
    "filter": Stage("drops chats that break a rule"),
    "split": Stage("holds out validation and test"),
    "train": Stage("trains a LoRA adapter with Axolotl"),
    "answer": Stage("base, prompted and tuned answer"),
    "evaluate": Stage("scores both, writes the report"),
    "merge": Stage("puts adapter into base", RIGHT),
}
ASKED = ("evaluation", "redteam", "world", "plain", "situations")
INPUTS = (
    Input("data/characters", "character cards", ("data/characters",), (240, 134), above=True),
    Input("data/gold", "hand-written chats", ("data/gold",), (376, 134), above=True),
    Input("data/raw", "exports, logs, books", ("data/raw",), (512, 134), above=True),
    Input("data/prompts", "scenarios, visitors", ("data/prompts/scenarios.yaml", "data/prompts/visitors.yaml"), LEFT),
    Input("teacher", "here or elsewhere", ("synthesize.teacher",), LEFT, above=True),
    Input("data/words", "years, stock phrases", ("data/words/anachronisms.yaml", "data/words/slop.yaml"), LEFT),
    Input("data/replay", "plain assistant chats", ("data/replay",), LEFT),
    Input("base model", "wheel, hub or folder", ("base_model",), RIGHT, above=True),
    Input("data/prompts", "what the arms are asked", tuple(f"data/prompts/{name}.jsonl" for name in ASKED), LEFT),
    Input("data/ratings", "what raters sent back", ("data/ratings",), LEFT),
)
# Longer paths imply these as well, but test chats that skip the training, and a base that is trained on and merged, are what a reader looks for.
DRAWN_ANYWAY = {("split", "evaluate"), ("base", "train"), ("base", "merge")}
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
        raise UserError(f"dvc.yaml and STAGES in tools/pictures/pipeline.py differ in {', '.join(different)}: give each stage its words there")
    outs = [out for stage in stages.values() for out in written(stage)]
    deps = {dep for stage in stages.values() for dep in _paths(stage.get("deps", [])) if dep.startswith("data/")}
    free = {dep for dep in deps if not any(_holds(out, dep) or _holds(dep, out) for out in outs)}
    reads = {read for source in INPUTS for read in source.reads}
    used = {read for reads in brought(stages).values() for read in reads}
    if different := sorted((free - reads) | (reads - used)):
        raise UserError(f"dvc.yaml and INPUTS in tools/pictures/pipeline.py differ in {', '.join(different)}: name what people bring there")


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
    """The corners of the arrow between two shapes: straight, with one turn, with two, or along `rail` on the right where others stand between."""
    if start.row == end.row:
        return [(start.right, start.y), (end.left, end.y)] if start.x < end.x else [(start.left, start.y), (end.right, end.y)]
    below = [shape for shape in shapes if shape.x == start.x and start.row < shape.row <= end.row and shape != end]
    if end.left < start.x < end.right:
        if not below:
            return [(start.x, start.bottom), (start.x, end.top)]
        return [(start.right, start.y), (rail, start.y), (rail, end.y), (end.right, end.y)]
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


def draw(dvc: Mapping) -> str:
    """The SVG of the pipeline in `dvc`, a parsed dvc.yaml. Raises UserError where it holds a stage or an input that has no words here."""
    stages = dvc["stages"]
    check_known(stages)
    shapes = places(stages)
    reads: dict[tuple, list[str]] = {**brought(stages), **flows(stages)}
    arrows = without_implied(list(reads))
    titles = {**{name: name for name in stages}, **{number: source.title for number, source in enumerate(INPUTS)}}
    parts, rail = [], CENTRE[0] + CENTRE[1] / 2 + 15
    for start, end in arrows:
        corners = route(shapes[start], shapes[end], list(shapes.values()), rail)
        files = ", ".join(reads[start, end])
        label = ""
        if any(x == rail for x, _ in corners):
            names = ", ".join(PurePosixPath(read).name for read in reads[start, end])
            label = f'<text class="path" x="{rail + 8:g}" y="{corners[-1][1] + 4:g}">{escape(names)}</text>'
            rail += 10
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
