"""`python -m stages.weights.merge JOB.json [OUT.json]`: folds an adapter into its base, and measures how far the result is from base + adapter.

JOB.json: {"base": folder, "adapter": folder, "merged": folder to write, "chats": chats.jsonl}.
OUT.json: the agreement on the character's tokens of the chats; without it nothing is measured, and no chats are needed.
"""

from __future__ import annotations

import math
import shutil
import sys
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import AutoTokenizer

from stages.common.errors import UserError, run
from stages.common.files import read_json, write_json
from stages.weights.models import log_probabilities, open_model
from stages.weights.tokenized import tokenize

TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")

Answer = tuple[torch.Tensor, torch.Tensor]
"""What a model makes of one chat: the log-probabilities of its tokens, in nats, and the tokens that it puts first."""


def merge(base: str, adapter: str, merged: str) -> None:
    """Write base + adapter as one model in the base's own precision, with the adapter's tokenizer and template.

    The product is added in float32 and rounded once; a QLoRA's to the base as its training saw it (stages/weights/rounded_base.py).
    """
    precision = open_model(base).dtype
    model = open_model(base, adapter, dtype=torch.float32).merge_and_unload()
    model.to(precision).save_pretrained(merged)
    for name in TOKENIZER:
        shutil.copyfile(Path(adapter) / name, Path(merged) / name)


def agreement(adapter: list[Answer], merged: list[Answer]) -> dict[str, float]:
    """How far two models are apart, by their (log-probabilities, top tokens) for the same chats.

    Mean and largest |difference| in nats, share of equal top tokens, each one's perplexity over all tokens, and the second's by the first's.
    """
    said, folded = (torch.cat([found for found, _ in side]).double() for side in (adapter, merged))
    same = torch.cat([a == b for (_, a), (_, b) in zip(adapter, merged, strict=True)])
    deltas = (said - folded).abs()
    return {
        "tokens": len(deltas),
        "mean_delta": round(deltas.mean().item(), 6),
        "max_delta": round(deltas.max().item(), 6),
        "top1_agreement": round(same.double().mean().item(), 6),
        "adapter_perplexity": round((-said.mean()).exp().item(), 6),
        "merged_perplexity": round((-folded.mean()).exp().item(), 6),
        "perplexity_ratio": round((said - folded).mean().exp().item(), 6),
    }


def main() -> None:
    job = read_json(sys.argv[1])
    merge(job["base"], job["adapter"], job["merged"])
    if len(sys.argv) > 2:
        write_json(sys.argv[2], measured(job))


def measured(job: dict) -> dict[str, float]:
    """The agreement of what was merged with base + adapter. Raises UserError where one of them has no log-probabilities."""
    adapter = Path(job["adapter"])
    chats = tokenize(Path(job["chats"]), adapter / "axolotl.yaml", AutoTokenizer.from_pretrained(adapter))

    def answers(model) -> list[Answer]:
        return [log_probabilities(model, ids, labels) for ids, labels in tqdm(chats.values(), desc="agree")]

    # Both compute in float32, so that what differs is the merged weights and nothing else.
    together = answers(open_model(job["base"], job["adapter"], dtype=torch.float32))
    folded = answers(open_model(job["merged"], dtype=torch.float32))
    found = agreement(together, folded)
    if not all(map(math.isfinite, found.values())):
        raise UserError(
            f"base + adapter, or the merged model, gives no probabilities that are numbers (adapter: {adapter}): mean |difference| {found['mean_delta']}"
        )
    return found


if __name__ == "__main__":
    run(main)
