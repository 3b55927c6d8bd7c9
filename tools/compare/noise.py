"""The noise floor: by how much each metric differs between trainings that only their seed tells apart (benchmarks/noise.json)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from stages.common.errors import UserError
from stages.common.files import read_json

FILE = Path("benchmarks/noise.json")


def spread(values: Sequence[float]) -> dict[str, Any]:
    """`values` in the order of the seeds, `mean`, `deviation` (of a sample: n - 1) and `range`, the largest minus the smallest. Raises ValueError for fewer than two."""
    if len(values) < 2:
        raise ValueError("one value has no spread")
    return {"values": list(values), "mean": round(fmean(values), 6), "deviation": round(stdev(values), 6), "range": round(max(values) - min(values), 6)}


def read(path: Path = FILE) -> tuple[int, dict[str, dict[str, float]]]:
    """(number of seeds, the range of each metric by file and name); (0, {}) where nothing was measured.

    Raises UserError where the file is none that benchmarks/noise.py wrote.
    """
    if not path.exists():
        return 0, {}
    found = read_json(path)
    try:
        metrics: Mapping[str, Mapping[str, Mapping[str, float]]] = found["metrics"]
        return len(found["seeds"]), {file: {name: float(one["range"]) for name, one in own.items()} for file, own in metrics.items()}
    except (KeyError, TypeError, AttributeError):
        raise UserError(f"{path}: found no seeds and ranges of metrics; expected what `python -m benchmarks.noise` writes") from None
