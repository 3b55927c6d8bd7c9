"""The two sides of a comparison: what the workspace, an experiment or a commit has of metrics, parameters, and what the arms said and lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.scm import SCMError, resolve_rev

from stages.common.errors import UserError
from stages.common.params import read_yaml
from tools.own_metrics import foreign

WORKSPACE, EVALUATION = "workspace", "metrics/evaluate.json"
DATA = (
    "data/answers/answers.jsonl",
    "data/answers/plain.jsonl",
    "data/answers/losses.jsonl",
    "data/splits/train.jsonl",
    "data/splits/test.jsonl",
    "data/prompts/plain.jsonl",
    "data/prompts/world.jsonl",
    "data/characters",
    "data/gold",
)
"""What evaluate scores: from DVC's cache and from git."""


@dataclass(frozen=True)
class Side:
    """One side; `folder` holds its files as they lay in the project, those of DATA among them where `whole` is true."""

    name: str
    folder: Path
    metrics: Mapping[str, Mapping[str, float]]
    """By file (metrics/NAME.json), then by name; nested names are joined by dots, as DVC shows them."""
    lacking: str | None
    """Which file of DATA is not at hand; None where all are."""

    def params(self) -> dict[str, Any]:
        """params.yaml; empty where there was none."""
        return read_yaml(self.folder / "params.yaml") if (self.folder / "params.yaml").exists() else {}

    def adapter(self) -> str | None:
        """The hash of the trained adapter in dvc.lock, which tells two trainings apart; None where none is on record."""
        outs = self._lock().get("stages", {}).get("train", {}).get("outs", [])
        return next((out.get("md5") for out in outs if out["path"] == "models/adapter"), None)

    def measured(self) -> bool:
        """Whether metrics/evaluate.json is of this side's parameters and models, and not what a commit before it left there."""
        return EVALUATION not in foreign(self._lock(), self.params())

    def _lock(self) -> dict[str, Any]:
        return (read_yaml(self.folder / "dvc.lock") or {}) if (self.folder / "dvc.lock").exists() else {}


def side(name: str, folder: Path) -> Side:
    """The side called `name`: "workspace", an experiment, a branch, a tag or a commit. Its files are brought into `folder`, an empty one.

    Raises UserError where nothing has that name, or it has no metrics.
    """
    try:
        with Repo(".") as repo:
            files = None if name == WORKSPACE else DVCFileSystem(".", rev=resolve_rev(repo.scm, name))
    except (DvcException, SCMError) as error:
        raise UserError(f"{name}: no experiment, branch, tag or commit of this name, nor {WORKSPACE!r} ({' '.join(str(error).split())})") from None
    for path in ("params.yaml", "dvc.lock", "metrics"):
        _bring(files, path, folder)
    metrics = {f"metrics/{path.name}": _flat(path) for path in sorted((folder / "metrics").glob("*.json"))}
    if EVALUATION not in metrics:
        raise UserError(f"{name}: has no {EVALUATION}; expected a run of the pipeline: `dvc repro`, or `dvc exp run`")
    return Side(name, folder, metrics, next((path for path in DATA if not _bring(files, path, folder)), None))


def _bring(files: DVCFileSystem | None, path: str, folder: Path) -> bool:
    """Whether a file or folder is at hand, in a revision or, without one, in the workspace; then it is brought."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    if files is None:
        if Path(path).exists():
            (folder / path).symlink_to(Path(path).resolve())
        return Path(path).exists()
    try:
        if not files.exists(path):
            return False
        files.get(path, str(folder / path), recursive=True)
    except (DvcException, OSError):  # it is on record, and neither in the cache nor with a remote
        return False
    return (folder / path).exists()


def _flat(path: Path) -> dict[str, float]:
    """The numbers of a metrics file by their dotted names."""
    found: dict[str, float] = {}

    def walk(value: Any, name: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{name}.{key}" if name else key)
        elif isinstance(value, int | float):
            found[name] = value

    try:
        walk(json.loads(path.read_text(encoding="utf-8")), "")
    except ValueError as error:
        raise UserError(f"metrics/{path.name}: not JSON: {error}") from None
    return found
