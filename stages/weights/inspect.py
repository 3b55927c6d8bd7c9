"""`python -m stages.weights.inspect FOLDER OUT.json`: a model folder's size, template and end of turn; the template also as a file beside OUT."""

from __future__ import annotations

import sys
from math import prod
from pathlib import Path

from safetensors import safe_open
from transformers import AutoTokenizer

from stages.common.errors import run
from stages.common.files import write_json, write_text
from stages.weights.tokenizers import facts


def parameters(folder: Path) -> int:
    """The number of weights in all safetensors files of a folder, read from their headers."""
    total = 0
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as tensors:
            total += sum(prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())
    return total


def main() -> None:
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    found = facts(folder)
    write_text(out.with_name("chat_template.jinja"), AutoTokenizer.from_pretrained(folder).chat_template)
    write_json(out, {**found, "parameters": parameters(folder)})


if __name__ == "__main__":
    run(main)
