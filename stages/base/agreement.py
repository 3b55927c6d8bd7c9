"""What makes a base model unfit for training and serving: weights that run code, and an end of turn that its files do not agree on."""

from __future__ import annotations

# Formats that execute code when they are opened.
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


def unsafe(files: list[str]) -> str | None:
    """Why a folder with these file names is refused, or None: it has no safetensors weights, or pickle files."""
    if pickles := [name for name in files if name.endswith(PICKLES)]:
        return f"pickle weights are refused, they run code when opened: {', '.join(pickles)}; safetensors are expected"
    if not any(name.endswith(".safetensors") for name in files):
        return f"no safetensors weights among {', '.join(files) or 'no files'}"
    return None


def disagreements(facts: dict) -> list[str]:
    """Where tokenizer, config and generation config do not name the token with which the chat template ends a turn.

    `facts` as stages.weights.tokenizers.facts gives them. A model whose generation config does not stop there never stops talking.
    """
    token = facts["end_of_turn"]
    found = [
        f"the chat template ends a turn with {facts['end_of_turn_text']} (id {token}), but {place} names {facts[place] or 'none'} as end of text"
        for place in ("tokenizer", "config", "generation_config")
        if token not in facts[place]
    ]
    if facts["pad"] == token:
        found.append(f"the padding token is the end-of-turn token (id {token}): the end of a turn would never be trained")
    return found
