"""`python -m benchmarks.matrix_products CHATS.jsonl BASE CONFIG.yaml OUT.json`, run in .venv-train: this machine's bfloat16 matrix peak, and the tokens of some chats.

The peak: the quickest of twelve products of 4,096 x 4,096 matrices on all cores. Of the chats: the share of tokens with a label, and the length that a token sees.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
from transformers import AutoTokenizer

from stages.common.files import write_json
from stages.weights.tokenized import tokenize

SIZE, PRODUCTS = 4096, 12


def main() -> None:
    left, right = (torch.randn(SIZE, SIZE).to(torch.bfloat16) for _ in range(2))
    seconds = []
    for _ in range(PRODUCTS):
        began = time.perf_counter()
        left @ right
        seconds.append(time.perf_counter() - began)
    chats = tokenize(Path(sys.argv[1]), Path(sys.argv[3]), AutoTokenizer.from_pretrained(sys.argv[2])).values()
    tokens = sum(len(ids) for ids, _ in chats)
    labelled = sum(label != -100 for _, labels in chats for label in labels)
    length = sum(len(ids) ** 2 for ids, _ in chats) / tokens
    write_json(sys.argv[4], {"flops": 2 * SIZE**3 / min(seconds), "labelled": labelled / tokens, "length": length})


if __name__ == "__main__":
    main()
