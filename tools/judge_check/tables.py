"""Ratings by people beside a judge's, from a CSV file: item,aspect,human,judge."""

from __future__ import annotations

import csv
import io
from math import isfinite
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import read_text
from tools.judge_check.agreement import Rated

COLUMNS = ("item", "aspect", "human", "judge")


def read(path: str | Path) -> list[Rated]:
    """The rows of a file with the columns of COLUMNS, others ignored; several people's ratings of one item and aspect are rows of their own.

    A row in which either rating is missing is left out. Raises UserError with file and line where a rating is no number, or the judge gives one item and aspect
    two different ones.
    """
    rows = csv.DictReader(io.StringIO(read_text(path)))
    if missing := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
        raise UserError(f"{path}:1: no column {', '.join(missing)}; expected a header with {','.join(COLUMNS)}")
    people: dict[tuple[str, str], list[float]] = {}
    judge: dict[tuple[str, str], float] = {}
    for row in rows:
        where = f"{path}:{rows.line_num}"
        human, judged = (_number(row[name], name, where) for name in ("human", "judge"))
        if human is None or judged is None:
            continue
        key = row["item"], row["aspect"]
        if judge.setdefault(key, judged) != judged:
            raise UserError(f"{where}: the judge gives {key[0]}, {key[1]} {judged:g}, and {judge[key]:g} above; expected one rating of the judge's")
        people.setdefault(key, []).append(human)
    return [Rated(*key, tuple(given), judge[key]) for key, given in people.items()]


def _number(cell: str | None, name: str, where: str) -> float | None:
    if cell is None or not cell.strip():
        return None
    try:
        value = float(cell)
    except ValueError:
        value = float("inf")
    if not isfinite(value):
        raise UserError(f"{where}: {name} is {cell[:60]!r}; expected a number, or nothing where there is no rating")
    return value
