"""These tests run inside .venv-train (tests/test_weights.py starts them there), with a tiny random Llama, its adapter and its chats."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM

from stages.train.config import DATASET
from tests.weights.tiny import chat, tiny_model, tiny_tokenizer


@pytest.fixture(scope="session")
def base(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    tiny_model().to(torch.bfloat16).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def chats(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("chats") / "test.jsonl"
    path.write_text("".join(json.dumps(chat(number)) + "\n" for number in range(6)))
    return path


@pytest.fixture(scope="session")
def adapter(base, tmp_path_factory) -> Path:
    """An adapter that changes much: both of its matrices drawn at random, as after training."""
    from peft import LoraConfig, get_peft_model

    folder = tmp_path_factory.mktemp("adapter")
    torch.manual_seed(1)
    model = get_peft_model(
        LlamaForCausalLM.from_pretrained(base, dtype=torch.float32), LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "o_proj"])
    )
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    config = {"chat_template": "tokenizer_default", "sequence_len": 512, "train_on_inputs": False, "datasets": [{"path": "-", **DATASET}]}
    (folder / "axolotl.yaml").write_text(json.dumps(config))
    return folder
