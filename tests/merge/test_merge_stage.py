"""The stage on a tiny base and an adapter of it: what lies there afterwards, twice the same, after a kill -9, and where it refuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.common import guard
from stages.common.params import read_yaml
from tests.project import Project
from tests.tiny_base import ROOT, adapt, chat, describe, tiny_base  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow

FILES = [
    "README.md", "SHA256SUMS", "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
]  # fmt: skip


@pytest.fixture(scope="module")
def models(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """A folder with base and adapter as the stages before have left them."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(tiny_base, folder / "base")
    adapt(folder / "base", folder / "adapter")
    return folder


@pytest.fixture
def ready(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that has come as far as its merge; its state is its own."""
    monkeypatch.setenv("DRAMATIS_STATE", str(tmp_path / "state"))
    return laid_out(Project(tmp_path / "project"), models)


def laid_out(project: Project, models: Path) -> Project:
    shutil.rmtree(project.folder / "models")
    shutil.copytree(models, project.folder / "models")
    for name, numbers in (("train", range(4)), ("validation", range(100, 103))):
        project.write(f"data/splits/{name}.jsonl", "".join(json.dumps(chat(number)) + "\n" for number in numbers))
    return project


@pytest.fixture(scope="module")
def merged(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which the stage has run to its end."""
    folder = tmp_path_factory.mktemp("merged")
    project = laid_out(Project(folder / "project"), models)
    done = project.run("merge", DRAMATIS_STATE=str(folder / "state"))
    assert done.returncode == 0, done.stderr
    return project


def bytes_of(project: Project) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in (project.folder / "models/merged").iterdir()}
    return found | {"metrics": (project.folder / "metrics/merge.json").read_bytes()}


def test_everything_that_serving_needs_lies_there_with_a_list_of_hashes_that_holds(merged: Project) -> None:
    folder = merged.folder / "models/merged"
    assert sorted(path.name for path in folder.iterdir()) == FILES
    checked = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert sorted(line.removesuffix(": OK") for line in checked.stdout.splitlines()) == [name for name in FILES if name != "SHA256SUMS"]
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (folder / name).read_bytes() == (merged.folder / "models/adapter" / name).read_bytes()
    assert (folder / "generation_config.json").read_bytes() == (merged.folder / "models/base/generation_config.json").read_bytes()


def test_the_figures_are_those_of_the_validation_chats(merged: Project) -> None:
    found = merged.metrics("merge")
    assert set(found) == {"tokens", "mean_delta", "max_delta", "top1_agreement", "adapter_perplexity", "merged_perplexity", "perplexity_ratio"}
    replies = [turn["value"] for number in range(100, 103) for turn in chat(number)["conversations"] if turn["from"] == "gpt"]
    assert found["tokens"] == sum(len(reply) + 1 for reply in replies)  # one token a letter, and the end of turn
    assert 0 < found["mean_delta"] < 0.05


def test_killed_in_the_middle_it_leaves_nothing_that_looks_whole_and_the_next_run_gives_the_same_bytes(ready: Project, merged: Project) -> None:
    models = ready.folder / "models"
    stage = subprocess.Popen([sys.executable, "-m", "stages.merge"], cwd=ready.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: list(models.glob(".merged.*.part/model.safetensors")), stage)
    finally:
        for pid in [stage.pid, *guard.descendants(stage.pid)]:
            os.kill(pid, signal.SIGKILL)
        stage.wait()
    assert not (models / "merged").exists() and not (ready.folder / "metrics/merge.json").exists()
    (left,) = models.glob(".merged.*.part")
    assert not (left / "SHA256SUMS").exists()
    done = ready.run("merge")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in models.iterdir()) == ["adapter", "base", "merged"]
    assert bytes_of(ready) == bytes_of(merged)


def wait_for(condition: Callable[[], object], process: subprocess.Popen) -> None:
    while not condition():
        assert process.poll() is None, f"ended with {process.returncode} before it was to be killed"
        time.sleep(0.01)


def test_another_models_adapter_is_refused_and_what_was_there_stays(ready: Project) -> None:
    config = ready.folder / "models/adapter/adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"r": 8}))
    assert ready.refused("merge").startswith("models/adapter is no adapter of this base model: Error(s) in loading state_dict")


def test_a_model_that_does_not_say_what_base_and_adapter_say_is_refused_with_figure_and_bound(ready: Project) -> None:
    ready.set("merge.max_mean_delta", 1e-6)
    said = ready.refused("merge")
    assert said.startswith("the merged model does not say what base and adapter say: mean |difference| 0.0") and said.endswith("nats, allowed 1e-06")


def test_a_base_that_is_not_the_manifests_is_refused(ready: Project) -> None:
    base = ready.folder / "models/base"
    describe(base)
    (base / "model.safetensors").write_bytes(b"another")
    assert "models/base/model.safetensors has 7 bytes; models/base/manifest.json says" in ready.refused("merge")


def test_a_new_test_split_or_a_rating_merges_nothing(merged: Project) -> None:
    declared = read_yaml(ROOT / "dvc.yaml")["stages"]
    read = {path for path in declared["merge"]["deps"] if not path.startswith(("stages/", "schemas/"))}
    assert read == {"data/splits/train.jsonl", "data/splits/validation.jsonl", "models/base", "models/adapter"}
    assert {"data/splits/train.jsonl", "data/splits/validation.jsonl", "models/base"} <= set(declared["train"]["deps"])
