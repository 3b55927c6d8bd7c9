"""Real DVC around a real training of the tiny model: its curves are there while it runs, and two of them can be compared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.common.environments import python
from stages.train.warning_signs import NAMES
from tests.project import ROOT, Project, project  # noqa: F401
from tests.tiny_base import tiny_base, trainable  # noqa: F401

pytestmark = pytest.mark.slow
STEPS = 24


class Watched:
    """The project with the train stage alone, in a repository of its own."""

    def __init__(self, within: Project):
        self.folder = within.folder
        yaml = YAML()
        pipeline = yaml.load(ROOT / "dvc.yaml")
        yaml.dump({"stages": {"train": pipeline["stages"]["train"]}, "plots": pipeline["plots"]}, self.folder / "dvc.yaml")
        within.write(".gitignore", (ROOT / ".gitignore").read_bytes() + b"/state/\n")
        home = {f"DVC_{name}_DIR": str(self.folder.parent / name) for name in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG")}
        names = {f"GIT_{who}_{what}": "tests@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        ours = {
            "DRAMATIS_STATE": str(self.folder / "state"),
            "DRAMATIS_TRAIN_PYTHON": python("train"),
            "DVC_NO_ANALYTICS": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
        }
        self.environment = {**os.environ, **home, **names, **ours, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        self.run("git", "init", "-q")
        self.run("git", "add", "--force", "models/base", "data/splits")
        self.run("dvc", "init", "-q")

    def start(self, *command: str) -> subprocess.Popen[str]:
        one = {min(os.sched_getaffinity(0))}  # one processor, one thread: a tiny model's threads would mostly wait for each other
        pin = partial(os.sched_setaffinity, 0, one)
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=pin)

    def run(self, *command: str) -> str:
        process = self.start(*command)
        said, errors = process.communicate(timeout=600)
        assert process.returncode == 0, f"{' '.join(command)}\n{said[-3000:]}\n{errors[-3000:]}"
        return said

    def commit(self) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", "step")

    def drawn(self, name: str, *revisions: str) -> dict[str, list[float]]:
        """The values that `dvc plots show` draws of one curve, or `dvc plots diff` of one revision's and the working tree's, by revision."""
        told = json.loads(
            self.run("dvc", "plots", "diff" if revisions else "show", *revisions, "--json", *(["--targets"] * bool(revisions)), f"plots/train/{name}.csv")
        )
        assert not told.get("errors"), told["errors"]
        drawn: dict[str, list[float]] = {}
        for plot in told["data"][f"plots/train/{name}.csv"]:
            for row in plot["content"]["data"]["values"]:
                drawn.setdefault(row["rev"], []).append(float(row[name]))
        return drawn


def test_the_curves_are_there_while_training_runs_its_warnings_are_told_once_and_two_runs_can_be_compared(
    project: Project,  # noqa: F811
    tiny_base: Path,  # noqa: F811
) -> None:
    trainable(project, tiny_base)
    for name, value in {"num_epochs": STEPS // 3, "eval_steps": 0.25, "save_steps": 0.5}.items():
        project.set(name, value)
    watched, seen = Watched(project), []
    repro = watched.start("dvc", "repro")
    while repro.poll() is None:
        if project.folder.joinpath("plots/train/memory.csv").exists():
            seen.append(watched.drawn("loss").get("workspace", []))
        time.sleep(1)
    said, errors = repro.communicate()
    assert repro.returncode == 0, said[-3000:] + errors[-3000:]
    whole = watched.drawn("loss")["workspace"]
    assert len(whole) == STEPS
    assert all(part == whole[: len(part)] for part in seen)
    assert any(0 < len(part) < STEPS for part in seen), list(map(len, seen))

    figures = project.metrics("train")
    told = [line for line in (said + errors).replace("\r", "\n").splitlines() if "warning: " in line]
    assert len(told) == len(set(told)) == figures["warnings.total"] == sum(figures[f"warnings.{name}"] for name in NAMES)
    assert figures["warnings.chats"] == figures["warnings.final_loss"] == 1
    assert "the number of training chats is 24; expected 500 to 10000" in told[0] and "the training loss ends at" in told[-1]
    assert figures["peak_memory_mib"] > 200

    watched.commit()
    watched.run("dvc", "exp", "run", "-S", "num_epochs=1", "-S", "learning_rate=0.01")
    drawn = watched.drawn("loss", "HEAD")
    assert drawn["HEAD"] == whole and len(drawn["workspace"]) == 3
    changed = json.loads(watched.run("dvc", "metrics", "diff", "--json"))["metrics/train.json"]
    assert (changed["steps"]["old"], changed["steps"]["new"], changed["warnings.learning_rate"]["new"]) == (STEPS, 3, 1)
