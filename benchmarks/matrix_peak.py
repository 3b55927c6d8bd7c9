"""How much of this machine's bfloat16 matrix peak a training speed is. A multiplication with its addition counts as two operations."""

from __future__ import annotations

import subprocess
from pathlib import Path

from stages.common import environments
from stages.common.files import read_json
from stages.common.params import load
from stages.train.__main__ import BASE, SPLITS, write_yaml
from stages.train.config import render
from stages.train.launch import cpu_settings


def operations_a_token(model: dict, modules: list[str], rank: int, labelled: float, length: float) -> float:
    """Operations that training a LoRA adapter takes for one token of a Llama-like model (`model` is its config.json).

    Weights that stay as they are: a product forward, one backward for the gradient that flows on. The adapter's: forward, and both gradients. Logits: at the
    `labelled` share of positions. Attention: two products over `length` positions forward (the whole square, as stages/weights/cpu_attention.py computes it), four back.
    """
    width, mlp, heads = model["hidden_size"], model["intermediate_size"], model["num_attention_heads"]
    head = model.get("head_dim") or width // heads
    query, key = heads * head, model["num_key_value_heads"] * head
    shapes = {
        "q_proj": (width, query), "k_proj": (width, key), "v_proj": (width, key), "o_proj": (query, width),
        "gate_proj": (width, mlp), "up_proj": (width, mlp), "down_proj": (mlp, width),
    }  # fmt: skip
    frozen = 4 * sum(a * b for a, b in shapes.values())
    adapter = 6 * sum(rank * sum(shapes[name]) for name in modules)
    attention = 6 * 2 * length * query
    return model["num_hidden_layers"] * (frozen + adapter + attention) + 4 * width * model["vocab_size"] * labelled


def sentence(tokens_per_second: float) -> str:
    """The share of the peak, in words, for a training speed of the pipeline's own config on data/splits/train.jsonl."""
    params = load("train")
    with environments.scratch("peak") as scratch:
        write_yaml(scratch / "axolotl.yaml", render(params, BASE, str(scratch), True, False))
        subprocess.run([environments.python("train"), "-m", "benchmarks.matrix_products", SPLITS["train"], BASE, str(scratch / "axolotl.yaml"), str(scratch / "peak.json")],
            env=environments.silent(PYTHONPATH=".", **cpu_settings()), check=True)  # fmt: skip
        found = read_json(scratch / "peak.json")
    each = operations_a_token(read_json(Path(BASE) / "config.json"), params["lora_target_modules"], params["lora_r"], found["labelled"], found["length"])
    reached = tokens_per_second * each
    return f"{tokens_per_second:.0f} tokens/s x {each / 1e9:.2f} GFLOP = {reached / 1e9:.0f} GFLOPS, {reached / found['flops']:.0%} of the matrix peak of {found['flops'] / 1e9:.0f}"
