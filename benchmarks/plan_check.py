"""`python -m benchmarks.plan_check [--steps N] [SETTING ...]`: what `tools.plan train` predicts against what real training takes, memory and time.

Trains the base model on the chats of data/splits/ through Axolotl, a few steps with an evaluation before, between and after, in each setting, and takes the peak
memory of all its processes and the seconds (benchmarks/process_tree.py). Exits 1 if a predicted memory is off by more than 20 %. Times say something on a
machine that does nothing else.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path

from benchmarks.process_tree import Cost, measure
from benchmarks.train_speed import ALONE, terms
from stages.common import base_models, environments
from stages.common.chats import read
from stages.common.errors import UserError, run
from stages.common.files import read_json, write_json
from stages.common.params import load
from stages.filter.context import Context
from stages.train.__main__ import BASE, SPLITS, cpu_flags, write_yaml
from stages.train.config import precision, render
from tools.plan.chat_lengths import chat_tokens
from tools.plan.machine import here
from tools.plan.model_shape import shape
from tools.plan.train import Plan, minutes, planned

ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SETTINGS: dict[str, dict] = {
    "as in params.yaml": {},
    "micro batch 1": {"micro_batch_size": 1, "gradient_accumulation_steps": 8},
    "micro batch 4": {"micro_batch_size": 4, "gradient_accumulation_steps": 2},
    "micro batch 8": {"micro_batch_size": 8, "gradient_accumulation_steps": 1},
    "recomputed": {"gradient_checkpointing": True, "micro_batch_size": 4, "gradient_accumulation_steps": 2},
    "float32": {"bf16": False},
    "rank 64, all linear layers": {"lora_r": 64, "lora_target_modules": ALL},
}
ALLOWED = 0.2


def config(changed: dict, steps: int, scratch: Path) -> dict:
    """The config that stage train would render, for so many steps, with absolute paths."""
    params = load("train")
    values = {name: params[name] for name in params} | changed
    rendered = render(values, str(base_models.weights_folder(Path(BASE).resolve())), str(scratch), precision(values["bf16"], False, cpu_flags()), False)
    return rendered | {"max_steps": steps, "eval_steps": math.ceil(steps / 2), "save_steps": steps}


def trained(rendered: dict, scratch: Path) -> Cost:
    """A real run."""
    write_json(scratch / "terms.json", terms())
    write_yaml(scratch / "axolotl.yaml", rendered)
    variables = environments.silent(PYTHONPATH=os.getcwd(), **ALONE.environment())
    changed = [f"{name}={value}" for name, value in variables.items() if os.environ.get(name) != value]
    return measure(["env", "-C", os.getcwd(), *changed, *ALONE.command(environments.python("train"), scratch / "axolotl.yaml")], scratch)


def line(name: str, plan: Plan, cost: Cost) -> tuple[str, float]:
    """A row, and how far the predicted memory is off."""
    took, predicted = cost.mib * 2**20, plan.memory.total
    off = predicted / took - 1
    time = "?" if plan.time is None else minutes(plan.time.total)
    return f"{name:28}{predicted / 1e9:>8.2f}{took / 1e9:>10.2f} GB{off:>+8.0%}{time:>12}{minutes(cost.seconds):>12}", off


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("settings", nargs="*", metavar="SETTING", help=f"of: {', '.join(SETTINGS)}; all where none is named")
    parser.add_argument("--steps", type=int, default=4, help="optimizer steps a run")
    asked = parser.parse_args()
    if unknown := [name for name in asked.settings if name not in SETTINGS]:
        raise UserError(f"no setting {unknown[0]!r}; there are {', '.join(SETTINGS)}")
    context, model = Context(BASE, 1024), shape(read_json(f"{BASE}/config.json"))
    chats = {name: chat_tokens(read(path), context) for name, path in SPLITS.items()}
    print(f"{'':28}{'plan':>8}{'measured':>10}{'':>11}{'plan':>12}{'measured':>12}")
    furthest = 0.0
    for name in asked.settings or SETTINGS:
        with environments.scratch("plan") as scratch:
            rendered = config(SETTINGS[name], asked.steps, scratch)
            said, off = line(name, planned(model, rendered, here(), cpu_flags(), chats["train"], chats["validation"]), trained(rendered, scratch))
        print(said, flush=True)
        furthest = max(furthest, abs(off))
    if furthest > ALLOWED:
        sys.exit(f"error: a predicted memory is {furthest:.0%} off; {ALLOWED:.0%} are allowed")


if __name__ == "__main__":
    run(main)
