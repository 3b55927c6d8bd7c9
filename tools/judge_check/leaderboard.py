"""The win rate of published per-item judgments, as AlpacaEval's leaderboard defines it.

A preference is a number from 1 (the baseline's output is better) to 2 (the other's is); 1.5 is a tie, and so is 0 in older files; null says that the judge's
answer could not be read. https://github.com/tatsu-lab/alpaca_eval, src/alpaca_eval/metrics.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite, isnan, sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from stages.common.errors import UserError
from stages.common.files import read_text


@dataclass(frozen=True)
class WinRate:
    """`win_rate` and `standard_error` are in percent; the others are counts. `dropped` have no preference and are in no other."""

    win_rate: float
    standard_error: float | None
    wins: int
    losses: int
    ties: int
    dropped: int


def win_rate(preferences: Iterable[float | None]) -> WinRate:
    """Mean and standard error of (preference - 1), times 100; None and NaN are dropped.

    So a win counts 1, a tie 1/2, and a preference in between, which a judge's probabilities give, what it says. The standard error is that of a mean of
    independent items, with n - 1; None for a single one. Raises ValueError where nothing is left, or a preference is none.
    """
    given = list(preferences)
    points = [0.5 if value == 0 else value - 1 for value in given if value is not None and not isnan(value)]
    if wrong := [value for value in points if not 0 <= value <= 1]:
        raise ValueError(f"a preference of {wrong[0] + 1:g}; expected 1 to 2, 0 for a tie, or null")
    if not points:
        raise ValueError("no preference at all")
    wins, losses = sum(value > 0.5 for value in points), sum(value < 0.5 for value in points)
    error = 100 * stdev(points) / sqrt(len(points)) if len(points) > 1 else None
    return WinRate(100 * fmean(points), error, wins, losses, len(points) - wins - losses, len(given) - len(points))


def read(path: str | Path) -> list[float | None]:
    """The `preference` of each item of a file, a JSON list or JSONL. Raises UserError where an item has none, or it is no such number."""
    items = _items(path)
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict) or "preference" not in item:
            raise UserError(f"{path}: item {number} has no preference; expected an object with preference, a number from 1 to 2 or null")
        value = item["preference"]
        number_like = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number_like and (isnan(value) or (isfinite(value) and (value == 0 or 1 <= value <= 2)))):
            raise UserError(f"{path}: item {number}: preference is {json.dumps(value)[:100]}; expected 1 to 2, 0 for a tie, or null")
    return [item["preference"] for item in items]


def _items(path: str | Path) -> Sequence[Any]:
    content = read_text(path).strip()
    try:
        if content.startswith("["):
            return json.loads(content)
        return [json.loads(line) for line in content.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: neither a JSON list nor JSONL: {str(error)[:200]}") from None


def table(found: WinRate) -> str:
    """The figures, one a line, under the names of AlpacaEval's leaderboard; rates with four decimals."""
    rows = {
        "win_rate": f"{found.win_rate:.4f}",
        "standard_error": "none (one item)" if found.standard_error is None else f"{found.standard_error:.4f}",
        "n_wins": found.wins,
        "n_wins_base": found.losses,
        "n_draws": found.ties,
        "n_total": found.wins + found.losses + found.ties,
        "dropped": found.dropped,
    }
    return "\n".join(f"{name:<16}{value}" for name, value in rows.items())
