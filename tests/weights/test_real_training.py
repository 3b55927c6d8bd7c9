"""Real trainings of the tiny model by Axolotl, watched: which chats come in which batch, and whether what makes a step cheaper is really at work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stages.common.environments import silent
from stages.common.params import load
from stages.train.config import render
from stages.weights.cpu_attention import NAME
from tests.weights.tiny import chat

ROOT = Path(__file__).resolve().parents[2]
CHATS = 12


def start(base: Path, folder: Path, seed: int, hash_seed: str) -> subprocess.Popen:
    """One epoch over CHATS chats of different lengths with the pipeline's own config."""
    (folder / "data" / "splits").mkdir(parents=True)
    for name, numbers in (("train", range(CHATS)), ("validation", range(50, 52))):
        lines = [chat(number) for number in numbers]
        for number, line in enumerate(lines):
            line["conversations"][2]["value"] += " Indeed" * number
        (folder / f"data/splits/{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    config = render({**load("train"), "seed": seed, "num_epochs": 1}, str(base), str(folder), bf16=False, gpu=False)
    config["plugins"] = [*config["plugins"], "tests.weights.watching_plugin.WatchingPlugin"]
    (folder / "terms.json").write_text(json.dumps({"chats": {"train": CHATS, "validation": 2}, "patience": None, "served": str(base), "processes": 1}))
    (folder / "axolotl.yaml").write_text(yaml.safe_dump(config))
    environment = silent(PYTHONHASHSEED=hash_seed, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1")
    with open(folder / "log.txt", "wb") as log:
        return subprocess.Popen([sys.executable, "-m", "axolotl.cli.train", str(folder / "axolotl.yaml")], cwd=folder, env=environment, stdout=log, stderr=log)


@pytest.fixture(scope="module")
def folders(base, tmp_path_factory) -> list[Path]:
    """Where three runs worked: two with the same seed and other hash seeds, one with another seed."""
    folders = [tmp_path_factory.mktemp("run") for _ in range(3)]
    runs = [start(base, folder, seed, hash_seed) for folder, seed, hash_seed in zip(folders, (42, 42, 43), "120", strict=True)]
    for run, folder in zip(runs, folders, strict=True):
        assert run.wait(timeout=150) == 0, (folder / "log.txt").read_text()[-3000:]
    return folders


def noted(folder: Path, name: str) -> list:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def seen(folders) -> list[list]:
    return [noted(folder, "seen") for folder in folders]


def test_the_same_seed_gives_the_same_chats_in_the_same_order(seen):
    assert seen[0] == seen[1]
    assert sum(len(batch) for batch in seen[0]) == CHATS


def test_another_seed_gives_another_order(seen):
    assert seen[0] != seen[2]
    chats = [sorted(tuple(token for token in row if token) for batch in run for row in batch) for run in (seen[0], seen[2])]
    assert chats[0] == chats[1]


def test_logits_are_made_at_the_labels_alone_and_attention_never_asks_torchs_kernel(folders):
    """Axolotl wraps the model in PEFT and accelerate, which call past the hooks of what they wrap."""
    assert noted(folders[0], "logits") == noted(folders[0], "labelled")
    assert max(noted(folders[0], "labelled")) < max(len(batch[0]) for batch in noted(folders[0], "seen")) - 10
    assert noted(folders[0], "attention") == [NAME]
    assert not (folders[0] / "kernel.jsonl").exists()
