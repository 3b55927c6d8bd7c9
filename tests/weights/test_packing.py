"""A real packed training: no chat is left out, and none hears another that lies before it in the same row."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from transformers import AutoTokenizer

from stages.common.environments import silent
from stages.common.params import load
from stages.common.progress_file import read
from stages.train.config import render
from stages.weights.models import log_probabilities, open_model
from stages.weights.tokenized import tokenize
from tests.weights.tiny import chat

ROOT = Path(__file__).resolve().parents[2]
CHATS = 11


def test_packed_chats_are_all_trained_and_kept_apart(base, tmp_path):
    """The first step's loss is that of the base, which the adapter has not changed yet: the mean over the tokens of chats that stand alone."""
    (tmp_path / "data/splits").mkdir(parents=True)
    for name, numbers in (("train", range(CHATS)), ("validation", range(50, 53))):
        (tmp_path / f"data/splits/{name}.jsonl").write_text("".join(json.dumps(chat(number)) + "\n" for number in numbers))
    params = {**load("train", ROOT), "sample_packing": True, "sequence_len": 256, "micro_batch_size": 4, "gradient_accumulation_steps": 8, "num_epochs": 1}
    config = render(params, str(base), str(tmp_path), bf16=False, gpu=False)
    (tmp_path / "axolotl.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "terms.json").write_text(json.dumps({"chats": {"train": CHATS, "validation": 3}, "patience": None, "processes": 1, "served": str(base)}))
    command = [sys.executable, "-m", "axolotl.cli.train", str(tmp_path / "axolotl.yaml")]
    environment = silent(PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1")
    done = subprocess.run(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    (first,) = [line for line in read(tmp_path / "progress.jsonl") if "loss" in line]
    tokenized = tokenize(tmp_path / "data/splits/train.jsonl", tmp_path / "axolotl.yaml", AutoTokenizer.from_pretrained(base))
    assert first["tokens"] == sum(len(ids) for ids, _ in tokenized.values())
    model = open_model(str(base)).float()
    alone = [log_probabilities(model, ids, labels)[0] for ids, labels in tokenized.values()]
    assert first["loss"] == pytest.approx(-sum(float(one.sum()) for one in alone) / sum(map(len, alone)), abs=1e-4)
