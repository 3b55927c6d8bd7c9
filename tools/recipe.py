"""`python -m tools.recipe NAME`: writes a recipe for another model or machine into params.yaml; without a name, lists them.

A recipe (recipes/NAME.yaml) is a piece of params.yaml: the lines that it changes, each with its reason. They take the places of the
lines that stand there; all others, comments and empty lines too, stay as they are, byte for byte. A key that only other recipes set
gets the default's line back, so that any recipe can follow any other. Under `axolotl:` the keys that no recipe sets stay.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.common.errors import UserError, run
from stages.common.files import read_text, write_text
from stages.common.params import check, read_yaml

PARAMS = Path("params.yaml")
RECIPES = Path(__file__).resolve().parents[1] / "recipes"
DEFAULT = "smollm2-135m-cpu"  # sets every key that any recipe sets; a test holds it to params.yaml
OPEN = "axolotl"  # the one parameter whose keys are not ours alone


@dataclass(frozen=True)
class Recipe:
    """One file of recipes/."""

    name: str
    about: str
    """Its first line: model, method, machine."""
    notes: list[str]
    """The other comment lines at its head: memory, what must be known before the run."""
    values: dict[str, Any]
    lines: dict[str, list[str]]
    """Of each key, the lines that go into params.yaml."""


def read(name: str) -> Recipe:
    """The recipe of that name. Raises UserError, with the names that there are, where there is none."""
    names = sorted(path.stem for path in RECIPES.glob("*.yaml"))
    if name not in names:
        raise UserError(f"no recipe {name!r}; there are {', '.join(names)}")
    text = read_text(RECIPES / f"{name}.yaml")
    head = [line.removeprefix("#").strip() for line in text.split("\n\n", 1)[0].splitlines()]
    lines = text.splitlines()
    return Recipe(name, head[0], head[1:], parsed(text), {key: lines[first:end] for key, (first, end) in places(text).items()})


def read_all() -> list[Recipe]:
    return [read(path.stem) for path in sorted(RECIPES.glob("*.yaml"))]


def parsed(text: str) -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load(text)


def places(text: str, under: str | None = None) -> dict[str, tuple[int, int]]:
    """Of each key at the top (or of the mapping `under` one of those): its first line, and the line behind its last, counted from 0.

    Comment lines and empty lines behind a value belong to what follows.
    """
    document, lines = YAML().load(text), text.splitlines()
    mapping, behind = (document, len(lines)) if under is None else (document[under], places(text)[under][1])
    firsts = {key: mapping.lc.key(key)[0] for key in mapping}
    ends = [*sorted(firsts.values())[1:], behind]
    return {
        key: (first, _without_comments(lines, first, end)) for (key, first), end in zip(sorted(firsts.items(), key=lambda item: item[1]), ends, strict=True)
    }


def _without_comments(lines: list[str], first: int, end: int) -> int:
    while end > first + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return end


def applied(text: str, recipe: Recipe, recipes: list[Recipe]) -> str:
    """params.yaml's text with the recipe in it. Raises UserError where its layout does not let single lines be replaced."""
    default = next(other for other in recipes if other.name == DEFAULT)
    theirs = {key for other in recipes for key in other.values.get(OPEN, {})}
    before = parsed(text)
    wanted = before | default.values | recipe.values
    own = {key: value for key, value in before[OPEN].items() if key not in theirs}
    wanted[OPEN] = wanted[OPEN] | own
    new = default.lines | recipe.lines
    if own:
        new[OPEN] = [new[OPEN][0].replace(" {}", "", 1), *new[OPEN][1:], *_own_lines(text, own)]
    lines = text.splitlines()
    for key, (first, end) in sorted(places(text).items(), key=lambda item: -item[1][0]):  # from below, so that the places above still hold
        if key in new:
            lines[first:end] = new[key]
    result = "\n".join(lines) + "\n"
    try:
        fits = parsed(result) == wanted
    except YAMLError:
        fits = False
    if not fits:
        raise UserError(f"{PARAMS}: each parameter must begin a line of its own for a recipe to replace it; nothing was written")
    return result


def _own_lines(text: str, own: dict[str, Any]) -> list[str]:
    """The lines of the keys under `axolotl:` that are nobody's but the user's, the comments above them included."""
    if YAML().load(text)[OPEN].fa.flow_style():
        written = io.StringIO()
        YAML().dump(own, written)
        return [f"  {line}" for line in written.getvalue().splitlines()]
    lines, found = text.splitlines(), places(text, OPEN)
    behind = [places(text)[OPEN][0] + 1, *(end for _, end in found.values())]
    return [line for begin, (key, (_, end)) in zip(behind, found.items(), strict=False) if key in own for line in lines[begin:end]]


def changes(before: dict[str, Any], after: dict[str, Any], above: str = "") -> Iterator[str]:
    """`key: old -> new` of each value that differs; `axolotl.key` under the open parameter."""
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key, "nothing"), after.get(key, "nothing")
        if key == OPEN and not above:
            yield from changes(old, new, f"{OPEN}.")
        elif old != new:
            yield f"{above}{key}: {_shown(old)} -> {_shown(new)}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", help="without it: the list of recipes")
    name = parser.parse_args().name
    recipes = read_all()
    if name is None:
        width = max(len(recipe.name) for recipe in recipes)
        for recipe in recipes:
            print(f"{recipe.name:{width}}  {recipe.about}")
        return
    recipe = read(name)
    before = read_yaml(PARAMS)
    check(before)
    text = read_text(PARAMS)
    result = applied(text, recipe, recipes)
    after = parsed(result)
    check(after)
    if result != text:
        write_text(PARAMS, result)
    for line in changes(before, after):
        print(line)
    print(f"{PARAMS} is by recipe {recipe.name}: {recipe.about}", *recipe.notes, sep="\n")


if __name__ == "__main__":
    run(main)
