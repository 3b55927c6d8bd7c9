"""The model card: what the merged model is made from, in the hub's format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from stages.common.markdown import escaped

SHOWN = (
    "adapter",
    "lora_r",
    "lora_alpha",
    "lora_dropout",
    "lora_target_modules",
    "learning_rate",
    "num_epochs",
    "micro_batch_size",
    "gradient_accumulation_steps",
    "sequence_len",
    "seed",
)
ROUNDED = "Training saw the base rounded to 4 bits (QLoRA, NF4); merged is the adapter with that rounded base, in the base's own precision."

Source = tuple[str, str, str, str]
"""Character, kind, teacher or "-", licence."""


def sources(trained: Iterable[Mapping]) -> list[tuple[Source, int]]:
    """How many training chats there are of each source, in order."""
    told = ((chat["character"], chat["source"]) for chat in trained)
    return sorted(Counter((character, source["kind"], source.get("teacher", "-"), source["license"]) for character, source in told).items())


def weights(manifest: Mapping) -> str:
    """The weight files of models/base/manifest.json with their hashes, as a list."""
    return "\n".join(f"- `{name}`: SHA-256 `{entry['sha256']}`" for name, entry in manifest["weights"].items())


def table(counted: Iterable[tuple[Source, int]]) -> str:
    """The sources of the training data with their licences, as a table."""
    rows = "\n".join(f"| {' | '.join(map(escaped, source))} | {count} |" for source, count in counted)
    return f"| character | kind | teacher | licence | chats |\n|---|---|---|---|---|\n{rows}"


def parameters(params: Mapping) -> str:
    """The parameters that made the adapter, as a list, and what a QLoRA was merged into; alpha as it was trained with where the parameter leaves it to the rank."""
    shown = {name: params[name] for name in SHOWN} | {"lora_alpha": params["lora_alpha"] or 2 * params["lora_r"]}
    return "\n".join(f"- `{name}`: {value}" for name, value in shown.items()) + (f"\n\n{ROUNDED}" if params["adapter"] == "qlora" else "")


def model_card(manifest: Mapping, trained: list[dict], params: Mapping, found: Mapping[str, float]) -> str:
    """Markdown with a YAML head: base and its origin, licence and number of chats of every data source, parameters, parity."""
    revision = f" at revision `{manifest['revision']}`" if manifest["revision"] else ""
    title = ", ".join(sorted({chat["character"] for chat in trained if chat["source"]["kind"] != "replay"}))
    return f"""---
base_model: {manifest["reference"]}
library_name: transformers
pipeline_tag: text-generation
tags: [dramatis, character, lora]
---

# {title}

A chat model that speaks as its character: `{manifest["reference"]}`{revision} with a LoRA adapter merged into it by Dramatis.
Send the character's system prompt as the first message; without one the chat template puts in its own.

## Weights of the base

{weights(manifest)}

## Training data and licences

{table(sources(trained))}

The base model's own licence: {params["base_model_license"]}.

## Parameters

{parameters(params)}

## Parity with base + adapter

On {found["tokens"]:.0f} tokens of held-out chats: mean |Δlog p| {found["mean_delta"]} nats, largest {found["max_delta"]}, same first token {found["top1_agreement"]:.2%}, perplexity {found["merged_perplexity"]:.3f} for {found["adapter_perplexity"]:.3f}.
"""
