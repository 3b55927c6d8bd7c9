"""`python -m benchmarks.train_speed [--pairs N] [--steps N]`: our training on a CPU against Axolotl's own float32 default, in pairs.

Both train the same chats of data/splits/ with the same rank, modules, learning rate, micro batch and accumulation, through Axolotl itself, one
after the other, in turn. "ours" is the config that stage train renders; "axolotl" is what an Axolotl user gets on a CPU who sets nothing
but what it cannot do without: float32, no plugin, no grouping by length, its Triton kernels off. Tokens are those of the chats, padding
not counted; seconds run from the end of the first step to the end of the last, without evaluation.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
from pathlib import Path

from stages.common import base_models, environments
from stages.common.chats import read
from stages.common.errors import UserError, run
from stages.common.params import load
from stages.train.__main__ import BASE, SPLITS, cpu_flags, write_yaml
from stages.train.config import precision, render
from stages.train.launch import Launch, cpu_settings


def configs(steps: int, scratch: Path) -> dict[str, dict]:
    """The two configs, without evaluation and without saving in between."""
    params = load("train")
    shared = {"max_steps": steps, "warmup_ratio": 0.1}
    ours = render(params, str(base_models.weights_folder(BASE)), str(scratch / "ours"), precision(params["bf16"], False, cpu_flags()), False) | shared
    theirs = ours | {
        "output_dir": str(scratch / "axolotl"),
        "dataset_prepared_path": str(scratch / "axolotl" / "prepared"),
        "bf16": False,
        "group_by_length": False,
        "plugins": ["benchmarks.stopwatch.StopwatchPlugin"],
    }
    for config in (ours, theirs):
        config.pop("eval_steps")
        config["eval_strategy"] = "no"
    ours["plugins"] = ["stages.weights.plugin.DramatisPlugin", "benchmarks.stopwatch.StopwatchPlugin"]
    return {"ours": ours, "axolotl": theirs}


def measure(name: str, config: dict, scratch: Path) -> dict[str, float]:
    """One run: its tokens a second, seconds and last loss."""
    folder = Path(config["output_dir"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "terms.json").write_text(json.dumps({"chats": {name: len(read(path)) for name, path in SPLITS.items()}, "patience": None, "processes": 1}))
    write_yaml(folder / "axolotl.yaml", config)
    settings = cpu_settings() if name == "ours" else {"OMP_NUM_THREADS": cpu_settings()["OMP_NUM_THREADS"]}
    with open(folder / "log.txt", "w") as log:
        command = Launch("accelerate", 1, 1, 0, gpu=False).command(environments.python("train"), folder / "axolotl.yaml")
        status = subprocess.run(command, env=environments.silent(PYTHONPATH=".", **settings), stdout=log, stderr=log).returncode
    if status:
        raise UserError(f"{name} ended with status {status}: see {folder / 'log.txt'}")
    return json.loads((folder / "stopwatch.json").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8, help="optimizer steps a run")
    asked = parser.parse_args()
    rows = []
    with environments.scratch("benchmark") as scratch:
        for pair in range(asked.pairs):
            order = ("ours", "axolotl") if pair % 2 == 0 else ("axolotl", "ours")
            found = {name: measure(name, configs(asked.steps, scratch / str(pair))[name], scratch) for name in order}
            rows.append(found["ours"]["tokens_per_second"] / found["axolotl"]["tokens_per_second"])
            print(
                f"pair {pair + 1}: ours {found['ours']['tokens_per_second']:.0f} tokens/s, axolotl float32 {found['axolotl']['tokens_per_second']:.0f}, ratio {rows[-1]:.2f}",
                flush=True,
            )
    print(f"median ratio of {len(rows)} pairs: {statistics.median(rows):.2f}")


if __name__ == "__main__":
    run(main)
