"""`python -m stages.weights.lm_tasks JOB.json OUT.jsonl`: tasks of EleutherAI's lm-evaluation-harness, put to the base without and with the adapter.

JOB.json: {"base": folder, "adapter": folder, "tasks": [a name that the harness knows, or the path of a task's YAML file]}. One line out for each arm, task and
document: {"arm", "task", "metric", "id" (the document's number), "score"}; the metric is the first of the task's that scores each document by itself. As the
harness asks by default: without a chat template, with the task's own number of examples.

Axolotl brings the harness into .venv-train. A task's data come from the hub, or from the hub's cache; or the task's YAML names a file.
"""

from __future__ import annotations

import re
import sys
from difflib import get_close_matches
from pathlib import Path

from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from transformers import AutoTokenizer

from stages.common.errors import UserError, run
from stages.common.files import read_json, read_text, write_jsonl
from stages.weights.models import DEVICE, open_model

BATCH = 1 if DEVICE == "cpu" else 16


def main() -> None:
    job, out = read_json(sys.argv[1]), sys.argv[2]
    files = {name: Path(name) for name in job["tasks"] if name.endswith((".yaml", ".yml"))}
    names = [named(files[name]) if name in files else name for name in job["tasks"]]
    manager = TaskManager(include_path=sorted({str(path.resolve().parent) for path in files.values()}))
    tasks = [known(name, manager) for name in names]
    tokenizer, rows = AutoTokenizer.from_pretrained(job["adapter"]), []
    for arm, adapter in (("base", None), ("tuned", job["adapter"])):
        model = HFLM(pretrained=open_model(job["base"], adapter), tokenizer=tokenizer, batch_size=BATCH)
        for task in tasks:
            rows += [{"arm": arm, **row} for row in asked(model, task, manager)]
        del model  # before the next one comes
    write_jsonl(out, rows)


def named(path: Path) -> str:
    """The name of the task in a YAML file. Raises UserError where there is none."""
    found = re.search(r"^task:\s*[\"']?([\w./-]+)", read_text(path), re.MULTILINE)  # such files have tags that no plain reader of YAML knows
    if not found:
        raise UserError(f"params.yaml: evaluate.lm_eval_tasks: {path} names no task; expected a line `task: NAME`")
    return found[1]


def known(name: str, manager: TaskManager) -> str:
    """The name. Raises UserError where the harness knows no task of that name."""
    if name not in manager.all_tasks:
        raise UserError(
            f"params.yaml: evaluate.lm_eval_tasks: lm_eval has no task {name}; the nearest name is {get_close_matches(name, manager.all_tasks, 1, 0)[0]}"
        )
    return name


def asked(model: HFLM, task: str, manager: TaskManager) -> list[dict]:
    """What a model scores in each document of a task, and of a group's each task. Raises UserError where the data are not at hand, or documents are not scored each by itself."""
    try:
        found = simple_evaluate(model, tasks=[task], task_manager=manager, bootstrap_iters=0)["samples"]
    except (OSError, ValueError) as error:  # what datasets raises offline
        raise UserError(
            f"lm_eval's task {task} cannot be asked: {' '.join(str(error).split())[:300]}; where the data are missing, HF_HUB_OFFLINE=0 lets them be fetched"
        ) from None
    rows = []
    for one, samples in sorted(found.items()):
        first = {sample["doc_id"]: sample for sample in reversed(samples)}  # by the first of the task's filters, where it has several
        for _, sample in sorted(first.items()):
            metric = next((metric for metric in sample["metrics"] if isinstance(sample.get(metric), bool | int | float)), None)
            if metric is None:
                raise UserError(
                    f"lm_eval's task {one} scores no document by itself ({', '.join(sample['metrics'])}); expected a task with acc, exact_match or the like"
                )
            rows.append({"task": one, "metric": metric, "id": sample["doc_id"], "score": float(sample[metric])})
    return rows


if __name__ == "__main__":
    run(main)
