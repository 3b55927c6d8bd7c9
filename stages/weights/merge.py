"""`python -m stages.weights.merge JOB.json [OUT.json]`: folds an adapter into its base, and measures how far the result is from base + adapter.

JOB.json: {"base": folder, "adapter": folder, "merged": folder to write, "chats": chats.jsonl}.
OUT.json: the agreement on the character's tokens of the chats; without it nothing is measured, and no chats are needed.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import AutoTokenizer

from stages.common.errors import run
from stages.common.files import read_json, write_json
from stages.weights.models import log_probabilities, open_model
from stages.weights.tokenized import tokenize

TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def merge(base: str, adapter: str, merged: str) -> None:
    """Write base + adapter as one model in the base's own precision, with the adapter's tokenizer and template.

    The product is added in float32 and rounded once.
    """
    precision = open_model(base).dtype
    model = open_model(base, adapter, dtype=torch.float32).merge_and_unload()
    model.to(precision).save_pretrained(merged)
    for name in TOKENIZER:
        shutil.copyfile(Path(adapter) / name, Path(merged) / name)


def agreement(left: list[tuple[torch.Tensor, torch.Tensor]], right: list[tuple[torch.Tensor, torch.Tensor]]) -> dict[str, float]:
    """Of two models' (log-probabilities, top tokens) for the same chats: mean and largest |difference| in nats, share of equal top tokens."""
    deltas = torch.cat([(a - b).abs() for (a, _), (b, _) in zip(left, right, strict=True)])
    same = torch.cat([a == b for (_, a), (_, b) in zip(left, right, strict=True)])
    return {
        "tokens": len(deltas),
        "mean_delta": round(deltas.mean().item(), 6),
        "max_delta": round(deltas.max().item(), 6),
        "top1_agreement": round(same.float().mean().item(), 6),
    }


def main() -> None:
    job = read_json(sys.argv[1])
    merge(job["base"], job["adapter"], job["merged"])
    if len(sys.argv) > 2:
        write_json(sys.argv[2], measured(job))


def measured(job: dict) -> dict[str, float]:
    """The agreement of what was merged with base + adapter."""
    adapter = Path(job["adapter"])
    chats = tokenize(Path(job["chats"]), adapter / "axolotl.yaml", AutoTokenizer.from_pretrained(adapter))

    def answers(model) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return [log_probabilities(model, ids, labels) for ids, labels in tqdm(chats.values(), desc="agree")]

    # Both compute in float32, so that what differs is the merged weights and nothing else.
    together = answers(open_model(job["base"], job["adapter"], dtype=torch.float32))
    folded = answers(open_model(job["merged"], dtype=torch.float32))
    return agreement(together, folded)


if __name__ == "__main__":
    run(main)
