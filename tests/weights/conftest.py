"""These tests run inside .venv-train (tests/test_weights.py starts them there), with a tiny random Llama, its adapter and its chats."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.weights.tiny import chat, tiny_adapter, tiny_model, tiny_tokenizer


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
    return tiny_adapter(base, tmp_path_factory.mktemp("adapter"))
