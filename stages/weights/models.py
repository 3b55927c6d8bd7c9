"""Opens base, adapter and merged models on this machine, and asks them for the log-probabilities of given tokens."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors import safe_open
from transformers import AutoModelForCausalLM, PreTrainedModel

from stages.common.errors import UserError
from stages.weights.cpu_attention import use_two_products
from stages.weights.rounded_base import rounding

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def open_model(folder: str, adapter: str | None = None, dtype: torch.dtype | str = "auto") -> PreTrainedModel | PeftModel:
    """The model in `folder` for inference, with an adapter on top where one is named, and under it the base as the adapter's training saw it.

    Raises OSError where there is no model, UserError where the adapter is another model's, or its weights are no safetensors: a pickle is not opened.
    """
    if adapter and not (Path(adapter) / "adapter_model.safetensors").is_file():
        raise UserError(f"{adapter}: no adapter_model.safetensors in it; a pickle (adapter_model.bin) is not opened, it could run code")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True, trust_remote_code=False)
    if DEVICE == "cpu":
        use_two_products(model)
    model.to(DEVICE)
    if adapter:
        if seen := rounding(adapter):
            seen.round(model)
        model = with_adapter(model, adapter)
    return model.eval()


def with_adapter(model: PreTrainedModel, adapter: str) -> PeftModel:
    """The model with an adapter on top. Raises UserError where the adapter has other layers than the model, which PEFT passes over, or others of its shapes."""
    try:
        adapted = PeftModel.from_pretrained(model, adapter)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{adapter} is no adapter of this base model: {' '.join(str(error).split())[:300]}") from None
    with safe_open(Path(adapter) / "adapter_model.safetensors", "pt") as file:
        given = {name for name in file.keys() if "lora_" in name}
    taken = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
    if apart := sorted(given ^ taken):
        raise UserError(f"{adapter} is no adapter of this base model: {apart[0]} is {'not in the adapter' if apart[0] in taken else 'no part of the model'}")
    return adapted


@torch.inference_mode()
def log_probabilities(model: PreTrainedModel | PeftModel, ids: list[int], labels: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """For each labelled token of one chat: its natural log-probability, and the most probable token's id. Two tensors of shape (labelled,).

    Logits are computed for the labelled positions alone, and the softmax in float32.
    """
    places = torch.tensor([i for i in range(1, len(labels)) if labels[i] != -100], device=DEVICE)
    logits = model(input_ids=torch.tensor([ids], device=DEVICE), logits_to_keep=places - 1).logits[0].float()
    wanted = torch.tensor(ids, device=DEVICE)[places]
    return logits.log_softmax(-1).gather(1, wanted[:, None])[:, 0].cpu(), logits.argmax(-1).cpu()
