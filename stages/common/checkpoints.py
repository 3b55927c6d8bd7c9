"""The checkpoints of a training, checkpoint-STEP in its folder: which are whole, and which is the best."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from stages.common.files import sha256, write_json

WHOLE = "whole.json"  # written last: {file: [bytes, SHA-256]}. Without it, or with files of other sizes, a checkpoint is none


def mark(folder: Path) -> None:
    """Have a checkpoint on the disk, then say so in its folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != WHOLE)
    for path in files:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    write_json(folder / WHOLE, {str(path.relative_to(folder)): [path.stat().st_size, sha256(path)] for path in files})


def whole(folder: Path) -> dict[int, Path]:
    """The checkpoints that were written to their end, by step, in order."""
    found = {}
    for path in folder.glob("checkpoint-*"):
        try:
            if all((path / name).stat().st_size == size for name, (size, _) in _written(path).items()):
                found[int(path.name.partition("-")[2])] = path
        except (OSError, ValueError, TypeError):
            continue
    return dict(sorted(found.items()))


def damaged(checkpoint: Path) -> str | None:
    """The first file of a whole checkpoint that is not what was written: a disk's fault, or somebody's. None where all is well."""
    return next((name for name, (_, digest) in sorted(_written(checkpoint).items()) if sha256(checkpoint / name) != digest), None)


def _written(checkpoint: Path) -> dict[str, tuple[int, str]]:
    return json.loads((checkpoint / WHOLE).read_text(encoding="utf-8"))


def best(losses: Mapping[int, float]) -> int | None:
    """The step with the lowest eval loss, the first of equals; None where there is none."""
    return min(losses, key=lambda step: (losses[step], step), default=None)
