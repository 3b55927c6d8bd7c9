"""`python -m benchmarks.train_start [--steps N]`: what stage train adds to Axolotl itself, and how soon an experiment's first step is done.

The checkout's `dvc repro` must be up to date. In a clone of it, with its cache:

    by hand    accelerate and Axolotl with the very config that the stage renders, our plugin included, on the same files
    stage      `python -m stages.train`, which plans, watches, compares checkpoints, draws and writes
    experiment from `dvc exp run -S lora_r=32` to the end of its first optimizer step, which the validation before it comes ahead of

Bounds: the stage takes at most 5 % and 5 s more than Axolotl by hand; the first step is done within 40 s.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ruamel.yaml import YAML

from benchmarks.train_speed import ALONE, terms
from stages.common import environments
from stages.common.errors import UserError, run
from stages.common.files import write_json
from stages.common.progress_file import read
from stages.train.__main__ import write_yaml

ROOT = Path(__file__).resolve().parents[1]


def clone(folder: Path) -> None:
    """This checkout's last commit with its outs, linked from its cache."""
    if subprocess.run(["git", "status", "--porcelain", "--untracked-files=no"], cwd=ROOT, capture_output=True, text=True, check=True).stdout:
        raise UserError("the checkout has changes that are not committed: an experiment would not begin from them")
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    subprocess.run([*dvc, "cache", "dir", "--local", str(ROOT / ".dvc" / "cache")], cwd=folder, check=True, capture_output=True)
    if subprocess.run([*dvc, "checkout", "--quiet"], cwd=folder).returncode:
        raise UserError("outs of the last commit are not in the cache: run `dvc repro` in the checkout first")


def limited(folder: Path, steps: int) -> None:
    """Have a clone train so many steps."""
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    params["axolotl"] = {"max_steps": steps}
    yaml.dump(params, folder / "params.yaml")


def seconds(begin: Callable[[], int]) -> float:
    began = time.monotonic()
    if status := begin():
        raise UserError(f"it ended with status {status}")
    return time.monotonic() - began


def surroundings(state: Path) -> dict[str, str]:
    """The environment of a stage whose training scratch is its own; the base's weights and caches are the checkout's."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**environments.silent(), "PATH": path, "DRAMATIS_STATE": str(state)}


def stage(folder: Path, state: Path) -> float:
    return seconds(lambda: subprocess.run([sys.executable, "-m", "stages.train"], cwd=folder, env=surroundings(state)).returncode)


def by_hand(folder: Path, scratch: Path) -> float:
    """Axolotl on the config that the stage left beside the adapter; its paths stand for the clone's own."""
    config = YAML(typ="safe", pure=True).load(folder / "models" / "adapter" / "axolotl.yaml")
    config |= {"output_dir": str(scratch), "dataset_prepared_path": str(scratch / "prepared")}
    write_json(scratch / "terms.json", terms(folder))
    write_yaml(scratch / "axolotl.yaml", config)
    with open(scratch / "log.txt", "w") as log:
        env = environments.silent(PYTHONPATH=str(folder), **ALONE.environment())
        return seconds(
            lambda: (
                subprocess.run(ALONE.command(environments.python("train"), scratch / "axolotl.yaml"), cwd=folder, env=env, stdout=log, stderr=log).returncode
            )
        )


def first_step(folder: Path, state: Path) -> float:
    """Seconds from `dvc exp run -S lora_r=32` to the end of the first optimizer step; then it is stopped."""
    command = [sys.executable, "-m", "dvc", "exp", "run", "-S", "lora_r=32", "train"]
    began = time.monotonic()
    with open(state / "experiment.txt", "wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=surroundings(state), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        while process.poll() is None:
            if any("loss" in line for path in (state / "train").glob("*/progress.jsonl") for line in read(path)):
                return time.monotonic() - began
            time.sleep(0.05)
    finally:
        process.kill()  # the stage ends itself and what it started when DVC is gone
        process.wait()
    raise UserError(f"the experiment ended before its first step: see {state / 'experiment.txt'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=8, help="optimizer steps of the training that stage and hand run")
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    with environments.scratch("benchmark") as scratch:
        clone(folder := scratch / "project")
        for number in range(asked.rounds):
            state = scratch / f"state-{number}"
            state.mkdir()
            took = first_step(folder, state)
            print(f"round {number + 1}: `dvc exp run -S lora_r=32` to the end of the first step: {took:.1f} s", flush=True)
            subprocess.run(["git", "checkout", "--quiet", "."], cwd=folder, check=True)
        limited(folder, asked.steps)
        for number in range(asked.rounds):
            state, hand = scratch / f"stage-{number}", scratch / f"hand-{number}"
            for new in (state, hand):
                new.mkdir()
            full = stage(folder, state)
            alone = by_hand(folder, hand)
            print(f"round {number + 1}: stage {full:.1f} s, Axolotl by hand {alone:.1f} s: {full - alone:+.1f} s, allowed {0.05 * alone + 5:.1f} s", flush=True)


if __name__ == "__main__":
    run(main)
