"""A sweep by DVC's own queue, as README has it: a grid of two ranks trained at once by the real train stage, looked at, taken over, and moved to another clone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.project import ROOT, Project
from tests.tiny_base import tiny_base, trainable  # noqa: F401

pytestmark = pytest.mark.slow
RANKS = (4, 8)
STAGES = ("train", "merge")
PATIENCE = 1200  # seconds for the queue, on a machine where others work too


@dataclass
class Repository:
    """A git and DVC repository of the test's own; every command runs with the machine's state in a folder of the test's."""

    folder: Path
    state: Path

    def run(self, *command: str) -> str:
        """What a command says on stdout. Fails the test where it fails."""
        dvc = {f"DVC_{name}_DIR": str(self.state / name) for name in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG")}
        own = {"DVC_NO_ANALYTICS": "1", "DRAMATIS_STATE": str(self.state), "GIT_CONFIG_GLOBAL": os.devnull}
        names = {f"GIT_{who}_{what}": "tests@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        surroundings = {**os.environ, **dvc, **own, **names, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as errors:  # not pipes: a queue's workers hold them open
            done = subprocess.run(command, cwd=self.folder, env=surroundings, stdout=said, stderr=errors)
            told = []
            for file in (said, errors):
                file.seek(0)
                told.append(file.read())
        assert done.returncode == 0, f"{' '.join(command)}\n{told[0][-6000:]}{told[1][-6000:]}"
        return told[0]

    def lines(self, *commands: str) -> None:
        """Commands without quotes, one after the other."""
        for command in commands:
            self.run(*command.split())

    def head(self) -> dict[str, Any]:
        """HEAD as `dvc exp show --json` tells of it."""
        (one,) = [one for one in json.loads(self.run("dvc", "exp", "show", "--json")) if one["rev"] != "workspace"]
        return one

    def experiments(self) -> dict[int, dict[str, Any]]:
        """The experiments of HEAD by their rank: name, params, metrics and outs."""
        revisions = [group["revs"][0] for group in self.head()["experiments"] or []]
        return {one["data"]["params"]["params.yaml"]["data"]["lora_r"]: {"name": one["name"], **one["data"]} for one in revisions}

    def adapter(self) -> tuple[int, bytes]:
        """(rank, weights) of the adapter in the workspace."""
        config = json.loads((self.folder / "models/adapter/adapter_config.json").read_text(encoding="utf-8"))
        return config["r"], (self.folder / "models/adapter/adapter_model.safetensors").read_bytes()

    def rank(self) -> int:
        """What params.yaml says."""
        return YAML(typ="safe").load(self.folder / "params.yaml")["lora_r"]


def record(project: Project, repository: Repository) -> None:
    """Put an earlier run on record, as a project that was run once has it; nobody looks at what it wrote."""
    for stage in YAML(typ="safe").load(project.folder / "dvc.yaml")["stages"].values():
        for out in [*stage["outs"], *stage["metrics"], *stage.get("plots", [])]:
            path = out if isinstance(out, str) else next(iter(out))
            project.write(path if Path(path).suffix else f"{path}/earlier", "{}")
    repository.lines("dvc commit -q -f")


@pytest.fixture(scope="module")
def grid(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Repository, set[int]]]:  # noqa: F811
    """(a repository with a grid that has run to its end, how many tasks were seen to run at once)."""
    folder = tmp_path_factory.mktemp("experiments")
    project = trainable(Project(folder / "mine"), tiny_base, chats=16)
    project.write("data/splits/test.jsonl", (project.folder / "data/splits/validation.jsonl").read_bytes())
    for name in (".gitignore", ".dvcignore"):
        project.write(name, (ROOT / name).read_bytes())
    yaml = YAML()
    pipeline = yaml.load(ROOT / "dvc.yaml")
    yaml.dump({"stages": {name: pipeline["stages"][name] for name in STAGES}}, project.folder / "dvc.yaml")
    mine = Repository(project.folder, folder / "state")
    (folder / "store").mkdir()
    mine.lines(
        "git init -q -b main",
        "dvc init -q",
        f"dvc remote add -q -d store {folder / 'store'}",
    )
    record(project, mine)
    mine.lines(
        "git add -A",
        "git add --force models/base data/splits",  # for there are no stages here that make them
        "git commit -qm start",
        f"git clone -q --bare . {folder / 'team.git'}",
        f"git remote add origin {folder / 'team.git'}",
    )
    mine.run("dvc", "exp", "run", "--queue", "-S", f"lora_r={','.join(map(str, RANKS))}", "train")
    running, until = set(), time.monotonic() + PATIENCE
    try:
        mine.lines("dvc queue start -j 2")
        while (status := mine.run("dvc", "queue", "status")).count("Success") < len(RANKS):
            assert "Failed" not in status and time.monotonic() < until, status
            running.add(status.count("Running"))
            time.sleep(1)
        yield mine, running
    finally:
        mine.lines("dvc queue stop --kill")


def test_one_command_queues_a_grid_and_two_workers_train_it_at_once_each_to_its_end(grid: tuple[Repository, set[int]]) -> None:
    mine, running = grid
    assert 2 in running
    found = mine.experiments()
    assert sorted(found) == sorted(RANKS)
    figures = {rank: one["metrics"]["metrics/train.json"]["data"] for rank, one in found.items()}
    assert [figures[rank]["steps"] for rank in RANKS] == [2, 2]
    assert figures[8]["trainable_parameters"] == 2 * figures[4]["trainable_parameters"] > 0
    assert figures[8]["best_eval_loss"] != figures[4]["best_eval_loss"]
    assert not list((mine.state / "train").glob("*/")) and not list((mine.state / "scratch").glob("*"))  # nobody's scratch is left


def test_the_sweep_merges_nothing_and_leaves_the_workspace_as_it_was(grid: tuple[Repository, set[int]]) -> None:
    mine, _ = grid
    assert mine.run("git", "status", "--porcelain") == "" and (mine.folder / "models/adapter/earlier").exists()
    outs = [one["outs"] for one in (mine.head()["data"], *mine.experiments().values())]
    assert len({own["models/adapter"]["hash"] for own in outs}) == 3 and len({own["models/merged"]["hash"] for own in outs}) == 1


def test_the_winner_is_brought_into_the_workspace_and_merged(grid: tuple[Repository, set[int]]) -> None:
    mine, _ = grid
    found = mine.experiments()
    for rank in RANKS:
        mine.run("dvc", "exp", "apply", found[rank]["name"])
        assert (mine.rank(), mine.adapter()[0]) == (rank, rank)
        told = json.loads((mine.folder / "metrics/train.json").read_text(encoding="utf-8"))
        assert told == found[rank]["metrics"]["metrics/train.json"]["data"]
    said = mine.run("dvc", "repro", "merge")
    assert "Running stage 'merge'" in said and "Running stage 'train'" not in said
    assert (mine.folder / "models/merged/model.safetensors").stat().st_size > 0


def test_an_experiment_becomes_a_branch_with_its_parameters_and_metrics(grid: tuple[Repository, set[int]]) -> None:
    mine, _ = grid
    mine.run("dvc", "exp", "branch", mine.experiments()[4]["name"], "rank-4")
    assert "lora_r: 4 " in mine.run("git", "show", "rank-4:params.yaml")
    assert json.loads(mine.run("git", "show", "rank-4:metrics/train.json")) == mine.experiments()[4]["metrics"]["metrics/train.json"]["data"]


def test_another_clone_pulls_an_experiment_with_its_adapter(grid: tuple[Repository, set[int]], tmp_path: Path) -> None:
    mine, _ = grid
    name = mine.experiments()[8]["name"]
    mine.run("dvc", "exp", "push", "origin", name)
    mine.run("git", "clone", "-q", str(mine.folder.parent / "team.git"), str(tmp_path / "theirs"))
    theirs = Repository(tmp_path / "theirs", tmp_path / "state")
    assert theirs.experiments() == {}
    theirs.run("dvc", "exp", "pull", "origin", name)
    assert sorted(theirs.experiments()) == [8]
    theirs.run("dvc", "exp", "apply", name)
    mine.run("dvc", "exp", "apply", name)
    assert theirs.rank() == 8 and theirs.adapter() == mine.adapter()
    assert "Running stage" not in theirs.run("dvc", "repro", "train")  # nor does anything run again there


def test_a_sweep_goes_over_sources_and_numbers_of_chats_too(grid: tuple[Repository, set[int]], tmp_path: Path) -> None:
    mine, _ = grid
    mine.run("git", "clone", "-q", str(mine.folder), str(tmp_path / "theirs"))  # where no worker waits to run what is queued
    theirs = Repository(tmp_path / "theirs", tmp_path / "state")
    theirs.run("dvc", "exp", "run", "--queue", "-S", "curate.use=[gold],[gold,book],null", "-S", "split.train_limit=50,null", "train")
    queued = [group["revs"][0]["data"]["params"]["params.yaml"]["data"] for group in theirs.head()["experiments"]]
    found = {(tuple(one["curate"]["use"] or ()), one["split"]["train_limit"]) for one in queued}
    assert found == {(use, limit) for use in ((), ("gold",), ("gold", "book")) for limit in (50, None)}
