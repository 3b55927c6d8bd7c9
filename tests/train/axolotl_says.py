"""Run in .venv-train: what Axolotl's own schema makes of configs, as on a machine with GPUs, which it is told and need not have.

Standard input: a JSON list of [config, number of GPUs]. File argument: where the answers go, a JSON list of {"config": ...} or {"refused": ...}.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from axolotl.utils.config import validate_config
from axolotl.utils.dict import DictDefault
from axolotl.utils.schemas.enums import CustomSupportedOptimizers
from transformers.training_args import OptimizerNames

# Its schema takes any text for one.
OPTIMIZERS = {name.value for names in (OptimizerNames, CustomSupportedOptimizers) for name in names}


def say(config: dict, gpus: int) -> dict:
    machine = {"bf16": True, "tf32": True, "fp8": False, "n_gpu": gpus, "n_node": 1, "compute_capability": "sm_80"}
    try:
        found = validate_config(DictDefault(config), capabilities=machine, env_capabilities={"torch_version": torch.__version__.split("+")[0]})
    except ValueError as error:  # pydantic's too
        return {"refused": str(error)}
    if config["optimizer"] not in OPTIMIZERS:
        return {"refused": f"{config['optimizer']} is no optimizer"}
    return {"config": json.loads(json.dumps(found.to_dict(), default=str))}


if __name__ == "__main__":
    answers = [say(config, gpus) for config, gpus in json.load(sys.stdin)]
    Path(sys.argv[1]).write_text(json.dumps(answers), encoding="utf-8")
