"""Opens base, adapter and merged models on this machine, and asks them for the log-probabilities of given tokens."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, PreTrainedModel

from stages.common.errors import UserError
from stages.weights.cpu_attention import use_two_products

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def open_model(folder: str, adapter: str | None = None, dtype: torch.dtype | str = "auto") -> PreTrainedModel | PeftModel:
    """The model in `folder` for inference, with an adapter on top where one is named. Raises OSError where there is none, UserError where the adapter's weights are no safetensors:
    a pickle is not opened."""
    if adapter and not (Path(adapter) / "adapter_model.safetensors").is_file():
        raise UserError(f"{adapter}: no adapter_model.safetensors in it; a pickle (adapter_model.bin) is not opened, it could run code")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True, trust_remote_code=False)
    if DEVICE == "cpu":
        use_two_products(model)
    if adapter:
        model = PeftModel.from_pretrained(model, adapter)
    return model.to(DEVICE).eval()


@torch.inference_mode()
def log_probabilities(model: PreTrainedModel | PeftModel, ids: list[int], labels: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """For each labelled token of one chat: its natural log-probability, and the most probable token's id. Two tensors of shape (labelled,).

    Logits are computed for the labelled positions alone, and the softmax in float32.
    """
    places = torch.tensor([i for i in range(1, len(labels)) if labels[i] != -100], device=DEVICE)
    logits = model(input_ids=torch.tensor([ids], device=DEVICE), logits_to_keep=places - 1).logits[0].float()
    wanted = torch.tensor(ids, device=DEVICE)[places]
    return logits.log_softmax(-1).gather(1, wanted[:, None])[:, 0].cpu(), logits.argmax(-1).cpu()
