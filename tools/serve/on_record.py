"""Whether a model is the one that dvc.lock is about, and with it the metrics and the gate of this commit."""

from __future__ import annotations

import json
from pathlib import Path

from stages.common.errors import UserError
from tools.commands import said

STAGES = {Path("models/merged"): "merge", Path("models/adapter"): "train"}


def refuse(model: Path) -> None:
    """Raise UserError where the files of `model` are not those of dvc.lock, by DVC's hashes. What it was made from need not be here: a laptop pulls the model alone."""
    stage = STAGES[model]
    entries = json.loads(said("dvc", "status", "--json", stage)).get(stage, [])
    changed = {out: state for entry in entries if isinstance(entry, dict) for out, state in entry.get("changed outs", {}).items()}
    if state := changed.get(str(model)):
        raise UserError(
            f"{model} is {state}: not the model of dvc.lock, which metrics/gate.json is about; `dvc checkout {model}` or `dvc pull {model}` brings that one"
        )
