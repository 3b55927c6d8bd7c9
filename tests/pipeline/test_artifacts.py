"""The models by their names: a team's repository with a remote, and somebody elsewhere who takes one model of one version and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.project import ROOT

DECLARED = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))


def test_each_artifact_is_an_out_of_a_stage_with_type_description_and_labels() -> None:
    outs = {out if isinstance(out, str) else next(iter(out)) for stage in DECLARED["stages"].values() for out in stage["outs"]}
    assert {name: one["path"] for name, one in DECLARED["artifacts"].items()} == {"adapter": "models/adapter", "merged": "models/merged"}
    for one in DECLARED["artifacts"].values():
        assert one["path"] in outs and one["type"] == "model" and one["desc"] and one["labels"]


def run(folder: Path, *command: str) -> str:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with our artifacts whose models were pushed, in two versions."""
    folder = tmp_path_factory.mktemp("team")
    (folder / "store").mkdir()
    (home := folder / "repository").mkdir()
    write = "mkdir -p models/$0 && cp words.txt models/$0/model.safetensors"
    stages = {name: {"cmd": f"sh -c '{write}' {name}", "deps": ["words.txt"], "outs": [f"models/{name}"]} for name in DECLARED["artifacts"]}
    with open(home / "dvc.yaml", "w", encoding="utf-8") as file:
        YAML().dump({"stages": stages, "artifacts": DECLARED["artifacts"]}, file)
    for command in (
        "git init -q -b main",
        "git config user.email t@example.org",
        "git config user.name t",
        "dvc init -q",
        f"dvc remote add -q -d store {folder / 'store'}",
    ):
        run(home, *command.split())
    for version, words in (("v1.0.0", "first"), ("v1.1.0", "second")):
        (home / "words.txt").write_text(words)
        run(home, "dvc", "repro", "-q")
        run(home, "git", "add", "-A")
        run(home, "git", "commit", "-qm", version)
        run(home, "dvc", "push", "-q")
        run(home, "gto", "register", "merged", "--version", version)
    return home


def test_a_model_comes_by_its_name_and_version(team: Path, tmp_path: Path) -> None:
    run(tmp_path, "dvc", "artifacts", "get", str(team), "merged", "--rev", "v1.0.0", "-o", "old")
    run(tmp_path, "dvc", "get", str(team), "models/merged", "-o", "new")
    assert [(tmp_path / name / "model.safetensors").read_text() for name in ("old", "new")] == ["first", "second"]
    assert "merged@v1.1.0" in run(team, "gto", "show", "merged")


def test_another_project_pins_a_version_and_moves_to_the_next(team: Path, tmp_path: Path) -> None:
    run(tmp_path, "git", "init", "-q")
    run(tmp_path, "dvc", "init", "-q")
    run(tmp_path, "dvc", "import", "-q", str(team), "models/merged", "--rev", "merged@v1.0.0")
    assert (tmp_path / "merged/model.safetensors").read_text() == "first"
    run(tmp_path, "dvc", "update", "-q", "merged.dvc", "--rev", "merged@v1.1.0")
    assert (tmp_path / "merged/model.safetensors").read_text() == "second"
