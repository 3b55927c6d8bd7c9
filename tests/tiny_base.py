"""A base model that trains in seconds, as the base stage lays one out: the tiny random Llama of tests/weights, made in .venv-train once a session."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from stages.common import environments
from stages.common.files import sha256
from tests.project import Project

ROOT = Path(__file__).resolve().parents[1]
MAKE = """
import sys
import torch
from tests.weights.tiny import TEMPLATE, tiny_model, tiny_tokenizer
tiny_model().to(torch.bfloat16).save_pretrained(sys.argv[1])
tiny_tokenizer().save_pretrained(sys.argv[1])
open(sys.argv[1] + "/chat_template.jinja", "w").write(TEMPLATE)
"""


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as models/base is: weights, config, tokenizer, template and manifest. One token a byte, at most 512 of them."""
    folder = tmp_path_factory.mktemp("tiny") / "base"
    subprocess.run([environments.python("train"), "-c", MAKE, str(folder)], cwd=ROOT, env=environments.silent(PYTHONPATH=str(ROOT)), check=True)
    describe(folder)
    return folder


def describe(folder: Path) -> None:
    """Write the manifest of the weights that lie in a folder."""
    weights = {path.name: {"sha256": sha256(path), "bytes": path.stat().st_size} for path in sorted(folder.glob("*.safetensors"))}
    manifest = {"kind": "folder", "reference": "./models/tiny", "revision": None, "parameters": 50_000, "weights": weights}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def chat(number: int) -> dict:
    """A chat of two exchanges, about 150 tokens of the tiny model's; replies grow with the number."""
    said = ["You are H.", f"Question {number}?", f"An answer, {number}." + " Indeed" * (number % 7), "And?", "No more."]
    turns = [{"from": who, "value": text} for who, text in zip(["system", "human", "gpt", "human", "gpt"], said, strict=True)]
    return {"id": f"h-gold-{number:012x}", "character": "h", "conversations": turns, "source": {"kind": "gold", "license": "CC-BY-4.0"}}


def trainable(project: Project, base: Path, chats: int = 24) -> Project:
    """The project with a tiny base, chats, and parameters for a training of a few seconds: 3 steps of 8 chats, evaluated and saved at each."""
    shutil.copytree(base, project.folder / "models/base", dirs_exist_ok=True)
    for name, numbers in (("train", range(chats)), ("validation", range(100, 103))):
        project.write(f"data/splits/{name}.jsonl", "".join(json.dumps(chat(number)) + "\n" for number in numbers))
    shutil.copytree(ROOT / "requirements", project.folder / "requirements")
    for name, value in {"num_epochs": 1, "sequence_len": 512, "eval_steps": 1, "save_steps": 1}.items():
        project.set(name, value)
    return project
