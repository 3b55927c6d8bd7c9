"""One real run for all end-to-end tests: a temporary clone, a cut-down params.yaml, and `dvc repro` with Axolotl and vLLM.

The clone uses the checkout's environments and state, as the copies of `dvc exp run --temp` do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.security.planted import OTHERS

ROOT = Path(__file__).resolve().parents[2]
CUT = {
    "synthesize": {"chats": 4, "answer_tokens": 200},
    "answer": {"limit": 6, "max_tokens": 24, "talks": 1, "seeds": 2},
    "evaluate": {"bootstrap": 500},
    "axolotl": {"max_steps": 3},
}


@dataclass
class Clone:
    folder: Path
    log: str
    began: float
    """When `dvc repro` was started, in seconds of the clock that files are dated by."""

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess:
        return run(self.folder, *command, check=check)

    def json(self, path: str) -> dict:
        return json.loads((self.folder / path).read_text(encoding="utf-8"))


def run(folder: Path, *command: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", **variables}, capture_output=True, text=True)
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done


def working_tree(folder: Path) -> None:
    """The checkout as it stands, committed or not, as a repository of its own."""
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, names.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())


@pytest.fixture(scope="session")
def clone(tmp_path_factory) -> Clone:
    folder = tmp_path_factory.mktemp("e2e") / "dramatis"
    folder.mkdir()
    working_tree(folder)
    yaml = YAML()
    params = yaml.load((folder / "params.yaml").read_text())
    for key, value in CUT.items():
        params[key].update(value) if isinstance(params[key], dict) else params.update({key: value})
    with open(folder / "params.yaml", "w") as file:
        yaml.dump(params, file)
    for path in (folder / "data" / "gold").glob("*.jsonl"):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[::4]))  # a quarter of the gold, of every topic
    (folder / "dvc.lock").unlink(missing_ok=True)
    run(folder, "git", "init", "-q")
    run(folder, "git", "config", "user.email", "tests@example.org")
    run(folder, "git", "config", "user.name", "tests")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "cut down")
    began = time.time()
    done = run(folder, "dvc", "repro", **OTHERS)  # with keys in the environment, as people have them
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "ran")
    return Clone(folder, done.stdout + done.stderr, began)
