"""What the bare models score in tasks of the lm-evaluation-harness, which `evaluate.lm_eval_tasks` names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stages.common import children, environments
from stages.common.files import read_jsonl, write_json


def scored(base: Path, adapter: Path, tasks: Sequence[str]) -> list[dict]:
    """The lines of data/answers/lm_eval.jsonl, as stages/weights/lm_tasks.py has them; none where no task is named, and then nothing is started.

    Raises UserError where a task is not known, or its data are not at hand.
    """
    if not tasks:
        return []
    with environments.scratch("lm_eval") as scratch:
        job, out = scratch / "job.json", scratch / "scores.jsonl"
        write_json(job, {"base": str(base), "adapter": str(adapter), "tasks": list(tasks)})
        command = [environments.python("train"), "-m", "stages.weights.lm_tasks", str(job), str(out)]
        children.run(command, environments.silent(), environments.state("logs") / "lm_eval.log")
        return read_jsonl(out)
