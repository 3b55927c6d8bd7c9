"""Whether a model and the gate are those that dvc.lock is about: a gate speaks of no other model."""

from __future__ import annotations

import json
from pathlib import Path

from stages.common.errors import UserError
from stages.evaluate import gate
from tools.commands import said

STAGES = {Path("models/merged"): "merge", Path("models/adapter"): "train"}


def refuse(model: Path) -> None:
    """Raise UserError where the files of `model`, or metrics/gate.json, are not those of dvc.lock, by DVC's hashes. What they were made from need not be here:
    a laptop pulls the model alone."""
    told = json.loads(said("dvc", "status", "--json", STAGES[model], "evaluate"))
    entries = [entry for stage in told.values() for entry in stage if isinstance(entry, dict)]
    changed = {out: state for entry in entries for out, state in entry.get("changed outs", {}).items()}
    if state := changed.get(str(model)):
        raise UserError(
            f"{model} is {state}: not the model of dvc.lock, which metrics/gate.json is about; `dvc checkout {model}` or `dvc pull {model}` brings that one"
        )
    if state := changed.get(gate.FILE):
        raise UserError(f"{gate.FILE} is {state}: not what evaluate wrote for dvc.lock; `git checkout {gate.FILE}` or `dvc repro evaluate` brings that one")
