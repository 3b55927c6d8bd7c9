"""`python -m tools.compare A B`: is B better than A, metric by metric? A and B are experiments, branches, tags, commits, or `workspace`.

Where both sides' answers are at hand (in the workspace, DVC's cache or a remote) a test is paired by prompt, conversation and chat; else it goes by the two
intervals. A difference within what training seeds alone make (benchmarks/noise.json) is no difference. `dvc metrics diff A B` shows the same names.
"""

from __future__ import annotations

import argparse
import json
import signal
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from stages.common.errors import UserError, printable, run
from stages.evaluate.scores import Bootstrap
from tools.compare import judging, noise, pairs, sides
from tools.compare.judging import BETTER, OPEN, SAME, WORSE, Row


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("a", metavar="A")
    parser.add_argument("b", metavar="B")
    parser.add_argument("--json", action="store_true", help="everything as one JSON document")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "a").mkdir()
        (Path(scratch) / "b").mkdir()
        a, b = sides.side(asked.a, Path(scratch) / "a"), sides.side(asked.b, Path(scratch) / "b")
        settings = bootstrap(b)
        found, unpaired = tests(a, b, settings)
        seeds, ranges = noise.read()
        rows, others = judging.rows(a, b, found, seeds, ranges, settings.confidence), judging.unranked(a, b)
        changed = differing(a.params(), b.params())
        unmeasured = [one.name for one in (a, b) if not one.measured()]
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # piped into `head` it ends without a word, as other commands do
    if asked.json:
        keys = ("file", "metric", "a", "b")
        document = {
            "a": a.name,
            "b": b.name,
            "parameters": changed,
            "unmeasured": unmeasured,
            "unpaired": unpaired,
            "noise_seeds": seeds,
            "metrics": [asdict(row) for row in rows],
        }
        print(json.dumps(document | {"unranked": [dict(zip(keys, one, strict=True)) for one in others]}, ensure_ascii=False, indent=2))
    else:
        print(printable("\n".join(told(a.name, b.name, rows, others, changed, unmeasured, unpaired, seeds))))


def bootstrap(b: sides.Side) -> Bootstrap:
    """The settings of B's evaluation."""
    asked = b.params().get("evaluate") or {}
    try:
        return Bootstrap(asked["seed"], asked["bootstrap"], asked["confidence"])
    except KeyError as missing:
        raise UserError(f"{b.name}: params.yaml has no evaluate.{missing.args[0]}; expected a run of the pipeline") from None


def differing(a: Mapping[str, Any], b: Mapping[str, Any], above: str = "") -> list[str]:
    """`name: A's -> B's` of each parameter that differs, under dotted names, as `dvc exp run -S` takes them."""
    lines = []
    for name in dict.fromkeys([*a, *b]):
        mine, theirs = a.get(name), b.get(name)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            lines += differing(mine, theirs, f"{above}{name}.")
        elif mine != theirs:
            lines.append(f"{above}{name}: {json.dumps(mine)} -> {json.dumps(theirs)}")
    return lines


def tests(a: sides.Side, b: sides.Side, settings: Bootstrap) -> tuple[dict[str, pairs.Paired], str | None]:
    """(the paired tests, why there are none)."""
    if lacking := next((f"{side.name} has no {side.lacking} at hand (dvc pull)" for side in (a, b) if side.lacking), None):
        return {}, lacking
    try:
        return pairs.of_sides(a.folder, b.folder, settings), None
    except UserError as error:  # an older or a newer version's files
        return {}, str(error)


def told(
    a: str, b: str, rows: Sequence[Row], others: Sequence[tuple], changed: Sequence[str], unmeasured: Sequence[str], unpaired: str | None, seeds: int
) -> list[str]:
    """The lines for the terminal: what B is better at, what worse, of what nobody can tell, and what else differs."""
    rows = [row for row in rows if not _twin(row, rows)]
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in (BETTER, WORSE, OPEN)}
    lines = [f"{b} against {a}: of {len(rows)} metrics {counts[BETTER]} better, {counts[WORSE]} worse, of {counts[OPEN]} nobody can tell."]
    lines += [f"  {line}" for line in changed]
    lines += [f"Not {one}'s own figures: it still runs (`dvc queue status`), or was not run as far as evaluate." for one in unmeasured]
    if unpaired:
        lines.append(f"Not paired, so by the two sides' intervals alone: {unpaired}.")
    lines.append(f"Noise floor: {seeds} training seeds." if seeds else f"Noise floor: not measured ({noise.FILE}: python -m benchmarks.noise).")
    shown = [row for row in rows if row.why != SAME]
    width = max((len(row.metric) for row in shown), default=0)
    lines += [_line(row, width) for verdict in (BETTER, WORSE, OPEN) for row in shown if row.verdict == verdict]
    if len(rows) > len(shown):
        lines.append(f"The same on both sides: {len(rows) - len(shown)} (--json has all).")
    if others:
        lines.append("Differ, and neither way is better:")
        lines += [
            f"  {file} {metric}  {'-' if mine is None else f'{mine:g}'} -> {'-' if theirs is None else f'{theirs:g}'}" for file, metric, mine, theirs in others
        ]
    return lines


def _twin(row: Row, rows: Sequence[Row]) -> bool:
    """Whether a character's row says what the whole's says: so it is where there is but one character."""
    return any(replace(other, metric=row.metric) == row for other in rows if other.metric == row.metric.partition(".")[2])


def _line(row: Row, width: int) -> str:
    interval = "" if row.lower is None else f"  {'x' if row.none else ''}{row.difference:{'' if row.none else '+'}.4g} ({row.lower:.4g} to {row.upper:.4g})"
    test = f"; {row.test}{'' if row.n is None else f', n = {row.n}'}" if row.test else ""
    return (
        f"{row.verdict:11}  {row.metric:{width}}  {row.a:10.5g} -> {row.b:10.5g}{interval}  [{row.better} is better{test}]{f'  {row.why}' if row.why else ''}"
    )


if __name__ == "__main__":
    run(main)
