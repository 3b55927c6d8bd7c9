"""The loss that the trainer reports on validation is the one that scoring gives for the kept checkpoint; a fresh adapter's is another."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file, save_file

from stages.common.environments import silent
from stages.common.files import read_jsonl
from stages.common.params import load
from stages.train.config import render
from stages.weights import score
from tests.weights.tiny import chat, tiny_tokenizer

ROOT = Path(__file__).resolve().parents[2]
WITHIN = 0.01


@pytest.fixture(scope="module")
def trained(base, tmp_path_factory) -> Path:
    """A folder in which the tiny model was trained with the pipeline's own config, and evaluated on chats of different lengths."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "data/splits").mkdir(parents=True)
    for name, numbers in (("train", range(16)), ("validation", range(50, 55))):
        lines = [chat(number) for number in numbers]
        for number, line in enumerate(lines):
            line["conversations"][2]["value"] += " Indeed" * (3 * number)  # so that a mean over chats is not one over tokens
        (folder / f"data/splits/{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    config = render({**load("train"), "num_epochs": 4, "learning_rate": 1e-2, "save_steps": 0.5}, str(base), str(folder), bf16=False, gpu=False)
    (folder / "terms.json").write_text(json.dumps({"chats": {"train": 16, "validation": 5}, "patience": None, "served": str(base), "processes": 1}))
    (folder / "axolotl.yaml").write_text(yaml.safe_dump(config))
    with open(folder / "log.txt", "wb") as log:
        run = subprocess.run(
            [sys.executable, "-m", "axolotl.cli.train", str(folder / "axolotl.yaml")],
            cwd=folder,
            env=silent(PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1"),
            stdout=log,
            stderr=log,
            timeout=300,
        )
    assert run.returncode == 0, (folder / "log.txt").read_text()[-3000:]
    return folder


def evaluations(folder: Path) -> dict[int, float]:
    return {line["step"]: line["eval_loss"] for line in read_jsonl(folder / "progress.jsonl") if "eval_loss" in line}


def measured(base: Path, folder: Path, checkpoint: Path, out: Path, monkeypatch) -> float:
    """The loss of the adapter of a checkpoint, put together as models/adapter is, as the answer stage takes it, and averaged as the trainer does."""
    adapter = out / "adapter"
    shutil.copytree(checkpoint, adapter)
    tiny_tokenizer().save_pretrained(adapter)
    shutil.copy(folder / "axolotl.yaml", adapter)
    job = {"base": str(base), "adapter": str(adapter), "files": {"validation": str(folder / "data/splits/validation.jsonl")}, "without_prompt": []}
    (out / "job.json").write_text(json.dumps(job))
    monkeypatch.setattr(sys, "argv", ["score", str(out / "job.json"), str(out / "losses.jsonl")])
    score.main()
    # One chat at a time (eval_batch_size 1), each counting alike.
    return statistics.fmean(row["nll"] / row["tokens"] for row in read_jsonl(out / "losses.jsonl") if row["arm"] == "tuned")


def test_the_kept_checkpoints_loss_is_the_trainers_own_within_one_percent(base, trained, tmp_path, monkeypatch):
    found = evaluations(trained)
    assert abs(found[max(found)] / found[0] - 1) > 5 * WITHIN, "it must have learnt something, for the bound to tell anything"
    assert measured(base, trained, trained / f"checkpoint-{max(found)}", tmp_path, monkeypatch) == pytest.approx(found[max(found)], rel=WITHIN)


def test_a_fresh_adapter_in_the_trained_ones_place_is_not_within_it(base, trained, tmp_path, monkeypatch):
    found = evaluations(trained)
    fresh = tmp_path / "fresh"
    shutil.copytree(trained / f"checkpoint-{max(found)}", fresh)
    weights = load_file(fresh / "adapter_model.safetensors")
    save_file(
        {name: weight.zero_() if "lora_B" in name else weight for name, weight in weights.items()},
        fresh / "adapter_model.safetensors",
        metadata={"format": "pt"},
    )
    assert measured(base, trained, fresh, tmp_path, monkeypatch) != pytest.approx(found[max(found)], rel=WITHIN)
