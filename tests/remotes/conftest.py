"""One team for all tests: a laptop that owns the data, a GPU machine that trains, a git repository between them, and the servers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.chats import chats_in, jsonl
from tests.project import ROOT, Project
from tests.remotes.machines import Machine
from tests.remotes.servers import S3, Server, Ssh, s3_remote, ssh_remote  # noqa: F401
from tests.tiny_base import tiny_base  # noqa: F401

STAGES = ("split", "train", "merge")
QUICK = {"num_epochs": 1, "sequence_len": 512, "eval_steps": 1, "save_steps": 1}
RANK = 4  # what the GPU machine trains with; nobody has run it before


@dataclass
class Team:
    origin: Path  # the bare git repository
    laptop: Machine
    gpu: Machine
    before: str  # the laptop's commit, from which the GPU machine set out
    said: str  # what the GPU machine's `dvc repro` said


def lay_out(folder: Path, base: Path) -> None:
    """The project with a tiny base and a few chats, its pipeline cut to STAGES; what the stages before them would write is data of the team."""
    project = Project(folder)
    shutil.copytree(base, folder / "models/base", dirs_exist_ok=True)
    for name in ("requirements", "tools", "data/replay"):
        shutil.copytree(ROOT / name, folder / name)
    for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore"):
        project.write(name, (ROOT / name).read_bytes())
    project.write(".gitignore", "__pycache__/\n*.part\n")
    project.write("data/filtered/chats.jsonl", jsonl([*chats_in("train", 8), *chats_in("validation", 2), *chats_in("test", 2)]))
    for name, value in QUICK.items():
        project.set(name, value)
    yaml = YAML()
    pipeline = yaml.load(folder / "dvc.yaml")
    pipeline["stages"] = {name: pipeline["stages"][name] for name in STAGES}
    yaml.dump(pipeline, folder / "dvc.yaml")


def set_rank(machine: Machine) -> None:
    params = machine.folder / "params.yaml"
    before = params.read_text(encoding="utf-8")
    params.write_text(before.replace("\nlora_r: 16", f"\nlora_r: {RANK}"), encoding="utf-8")
    assert params.read_text(encoding="utf-8") != before


@pytest.fixture(scope="session")
def team(tiny_base: Path, ssh_remote: Ssh, tmp_path_factory: pytest.TempPathFactory) -> Team:  # noqa: F811
    """The laptop pushes its data over SSH; the GPU machine clones, trains with another rank, and pushes the models."""
    home = tmp_path_factory.mktemp("team")
    laptop, origin = Machine(home / "laptop"), home / "origin.git"
    laptop.run(f"git init -q --bare {origin}", folder=home)
    lay_out(laptop.folder, tiny_base)
    laptop.run(f"git clone -q --no-checkout {origin} {home / 'git'}", folder=home)
    shutil.move(home / "git/.git", laptop.folder / ".git")
    for command in (*ssh_remote.commands(), "dvc add -q models/base data/filtered/chats.jsonl", "dvc repro -q split"):
        laptop.run(command)
    laptop.commit("data")
    laptop.run("git push -q -u origin HEAD:main")
    laptop.run("dvc push")
    before = laptop.run("git rev-parse HEAD").strip()

    gpu = Machine.cloned(home / "gpu", origin, ssh_remote)
    set_rank(gpu)
    said = gpu.run("dvc repro --pull --allow-missing")
    gpu.commit("models")
    gpu.run("git push -q origin HEAD:main")
    gpu.run("python -m tools.remote push")
    return Team(origin, laptop, gpu, before, said)


@pytest.fixture(scope="session")
def over_s3(team: Team, s3_remote: S3, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """A git repository of the same team whose remote is a bucket, to which the GPU machine has pushed."""
    home = tmp_path_factory.mktemp("over-s3")
    origin = home / "origin.git"
    team.gpu.run(f"git clone -q --bare {team.origin} {origin}", folder=home)
    gpu = Machine.cloned(home / "gpu", origin)
    for machine in (team.laptop, team.gpu):  # neither has pulled all that the other has
        shutil.copytree(machine.folder / ".dvc/cache", gpu.folder / ".dvc/cache", dirs_exist_ok=True)
    gpu.run("dvc remote remove storage")
    for command in s3_remote.commands():
        gpu.run(command)
    gpu.commit("bucket")
    gpu.run("git push -q origin HEAD:main")
    gpu.knows(s3_remote)
    gpu.run("python -m tools.remote push")
    return origin


@pytest.fixture(scope="session", params=["ssh", "s3"])
def stored(request: pytest.FixtureRequest, team: Team) -> tuple[Path, Server]:
    """(git repository, server) for each kind of server."""
    if request.param == "ssh":
        return team.origin, request.getfixturevalue("ssh_remote")
    return request.getfixturevalue("over_s3"), request.getfixturevalue("s3_remote")


@pytest.fixture
def clone(stored: tuple[Path, Server], tmp_path: Path) -> Callable[[str], Machine]:
    """A new machine with a clone and the credentials."""
    return lambda name: Machine.cloned(tmp_path / name, *stored)
