"""The model card: what the merged model is made from, in the hub's format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

SHOWN = (
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


def model_card(manifest: dict, trained: list[dict], params: Mapping, found: dict[str, float]) -> str:
    """Markdown with a YAML head: base and its origin, licence and number of chats of every data source, parameters, parity."""
    sources = Counter((chat["character"], chat["source"]["kind"], chat["source"].get("teacher", "-"), chat["source"]["license"]) for chat in trained)
    revision = f" at revision `{manifest['revision']}`" if manifest["revision"] else ""
    shown = {name: params[name] for name in SHOWN} | {"lora_alpha": params["lora_alpha"] or 2 * params["lora_r"]}
    lines = [
        "---",
        f"base_model: {manifest['reference']}",
        "library_name: transformers",
        "pipeline_tag: text-generation",
        "tags: [dramatis, character, lora]",
        "---",
        "",
        f"# {', '.join(sorted({chat['character'] for chat in trained if chat['source']['kind'] != 'replay'}))}",
        "",
        f"A chat model that speaks as its character: `{manifest['reference']}`{revision} with a LoRA adapter merged into it by Dramatis.",
        "Send the character's system prompt as the first message; without one the chat template puts in its own.",
        "",
        "## Weights of the base",
        "",
        *[f"- `{name}`: SHA-256 `{entry['sha256']}`" for name, entry in manifest["weights"].items()],
        "",
        "## Training data and licences",
        "",
        "| character | kind | teacher | licence | chats |",
        "|---|---|---|---|---|",
        *[f"| {' | '.join(key)} | {count} |" for key, count in sorted(sources.items())],
        "",
        f"The base model's own licence: {params['base_model_license']}.",
        "",
        "## Parameters",
        "",
        *[f"- `{name}`: {shown[name]}" for name in SHOWN],
        "",
        "## Parity with base + adapter",
        "",
        f"On {found['tokens']:.0f} tokens of held-out chats: mean |Δlog p| {found['mean_delta']} nats, largest {found['max_delta']}, same first token "
        f"{found['top1_agreement']:.2%}, perplexity {found['merged_perplexity']:.3f} for {found['adapter_perplexity']:.3f}.",
        "",
    ]
    return "\n".join(lines)
