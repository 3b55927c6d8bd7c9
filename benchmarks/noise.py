"""`python -m benchmarks.noise`: by how much every metric differs between trainings that only their seed tells apart, into benchmarks/noise.json.

Three experiments of DVC (`dvc exp run --temp -S seed=N evaluate`, one after the other, each in a copy) of the parameters that stand in params.yaml: a seed that has
run before costs nothing. They stay as experiments noise-N, so that `python -m tools.compare noise-42 noise-43` can be asked. Two cores take some 9 minutes a seed.
`tools.compare` calls no difference within these ranges one.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from stages.common.errors import UserError, run
from stages.common.files import write_json
from stages.common.params import read_yaml
from tools.compare.noise import FILE, spread
from tools.compare.sides import Side, side

FILES = ("metrics/train.json", "metrics/answer.json", "metrics/evaluate.json")
CLOCKS = ("seconds", "tokens_per_second", "peak_memory_mib")  # of the machine, not of the model
ENDS = ("_lower", "_upper", "_upper_bound")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", help="training seeds; without it, that of params.yaml and the two after it")
    first = read_yaml("params.yaml")["seed"]
    seeds = parser.parse_args().seeds or [first, first + 1, first + 2]
    if len(set(seeds)) < 2:
        raise UserError(f"--seeds {' '.join(map(str, seeds))}: expected two seeds or more, each once")
    if changed := said("git", "status", "--porcelain", "--untracked-files=no"):
        raise UserError(f"uncommitted changes ({changed.splitlines()[0].split()[-1]}): commit first, for the figures name the commit that they are of")
    with tempfile.TemporaryDirectory() as scratch:
        runs = [trained(seed, Path(scratch) / str(seed)) for seed in seeds]
    write_json(
        FILE,
        {
            "command": shlex.join(["python", "-m", "benchmarks.noise", "--seeds", *map(str, seeds)]),
            "commit": said("git", "rev-parse", "HEAD"),
            "seeds": seeds,
            "metrics": spreads(runs),
        },
    )
    print(f"{FILE}: {sum(map(len, spreads(runs).values()))} metrics of {len(seeds)} seeds")


def trained(seed: int, folder: Path) -> Side:
    """The experiment of a seed, run where it has not been."""
    name = f"noise-{seed}"
    if name in said("dvc", "exp", "list", "--name-only").split():
        said("dvc", "exp", "remove", name)
    asked = ["dvc", "exp", "run", "--temp", "--name", name, "-S", f"seed={seed}", "evaluate"]
    print(shlex.join(asked), flush=True)
    if subprocess.run(asked, env=surroundings()).returncode:
        raise UserError(f"seed {seed}: the experiment did not finish: its own words stand above")
    folder.mkdir()
    return side(name, folder)


def spreads(runs: Sequence[Side]) -> dict[str, dict[str, Mapping]]:
    """Of each metric that all runs have, by file and name: what `tools.compare.noise.spread` tells of it."""
    found: dict[str, dict[str, Mapping]] = {}
    for file in FILES:
        every = [one.metrics.get(file, {}) for one in runs]
        names = [name for name in every[0] if not name.endswith(ENDS) and name not in CLOCKS and all(name in own for own in every)]
        found[file] = {name: spread([own[name] for own in every]) for name in names}
    return found


def surroundings() -> dict[str, str]:
    """This environment, `dvc` and the `python` of its stages being those beside the running one."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}


def said(*command: str) -> str:
    """What a command prints. Raises UserError with its complaint where it fails."""
    done = subprocess.run(command, env=surroundings(), capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{shlex.join(command)}: {' '.join(done.stderr.split())[:300]}")
    return done.stdout.strip()


if __name__ == "__main__":
    run(main)
