"""`python -m stages.weights.inspect FOLDER OUT.json`: a model folder's size, template and end of turn; the template also as a file beside OUT."""

from __future__ import annotations

import sys
from math import prod
from pathlib import Path

from safetensors import safe_open
from transformers import AutoConfig, AutoTokenizer

from stages.common.errors import UserError, run
from stages.common.files import write_json, write_text
from stages.weights.tokenizers import facts


def parameters(folder: Path) -> int:
    """The number of weights in all safetensors files of a folder, read from their headers."""
    total = 0
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as tensors:
            total += sum(prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())
    return total


def needs_own_code(folder: Path) -> str | None:
    """Which of config and tokenizer transformers could only open by running code that came with the model; None where it knows both."""
    for name, auto in (("config.json", AutoConfig), ("tokenizer_config.json", AutoTokenizer)):
        try:
            auto.from_pretrained(folder, trust_remote_code=False)
        except ValueError as error:
            if "trust_remote_code" in str(error):
                return name
            raise
    return None


def main() -> None:
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    if name := needs_own_code(folder):
        raise UserError(f"{folder / name} asks for code of the model's own, which is never run; take a model that transformers knows by itself")
    found = facts(folder)
    write_text(out.with_name("chat_template.jinja"), AutoTokenizer.from_pretrained(folder).chat_template)
    write_json(out, {**found, "parameters": parameters(folder)})


if __name__ == "__main__":
    run(main)
