"""A base model of the hub: the stage's out, which `dvc push` sends to the team's remote, holds everything but the weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from stages.common import base_models
from stages.common.errors import UserError
from tests.project import Project
from tests.tiny_base import tiny_base  # noqa: F401

pytestmark = pytest.mark.slow
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_hub_models_weights_stay_in_the_hubs_cache_and_are_held_to_the_manifest(
    tiny_base: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = tmp_path / f"hub/models--team--tiny/snapshots/{COMMIT}"
    shutil.copytree(tiny_base, kept, ignore=shutil.ignore_patterns("manifest.json"))
    project = Project(tmp_path / "project")
    project.set("base_model", "team/tiny")
    project.set("base_model_revision", COMMIT)
    for name, value in {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1", "DRAMATIS_STATE": str(tmp_path / "state")}.items():
        monkeypatch.setenv(name, value)
    done = project.run("base")
    assert done.returncode == 0, done.stderr
    base = project.folder / "models/base"
    assert not list(base.glob("*.safetensors")) and (base / "tokenizer.json").exists()
    assert list(json.loads((base / "manifest.json").read_text())["weights"]) == ["model.safetensors"]

    assert base_models.weights_folder(base) == kept
    weights = kept / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UserError, match="not the model that was trained on"):
        base_models.weights_folder(base)
