"""Whether a model is the one that dvc.lock is about, and with it the metrics and the gate of this commit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from stages.common.errors import UserError

STAGES = {Path("models/merged"): "merge", Path("models/adapter"): "train"}


def refuse(model: Path) -> None:
    """Raise UserError where the files of `model` are not those of dvc.lock, by DVC's hashes. What it was made from need not be here: a laptop pulls the model alone."""
    stage = STAGES[model]
    command = [str(Path(sys.executable).with_name("dvc")), "status", "--json", stage]
    done = subprocess.run(command, env={**os.environ, "DVC_NO_ANALYTICS": "1"}, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"dvc status {stage}: {' '.join((done.stderr or done.stdout).split())[-300:]}")
    changed = {
        out: state for entry in json.loads(done.stdout).get(stage, []) if isinstance(entry, dict) for out, state in entry.get("changed outs", {}).items()
    }
    if state := changed.get(str(model)):
        raise UserError(
            f"{model} is {state}: not the model of dvc.lock, which metrics/gate.json is about; `dvc checkout {model}` or `dvc pull {model}` brings that one"
        )
