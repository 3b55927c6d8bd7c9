"""What makes a LoRA step cheaper on a CPU without changing what is learned: logits, masks and random numbers only where they are needed."""

from __future__ import annotations

import torch
from torch import nn


def keep_labelled_logits(model: nn.Module) -> None:
    """Compute logits at the positions that predict a label, and nowhere else; loss and gradients stay the same.

    A chat's system prompt and the visitor's words have no labels; a vocabulary of 49,152 makes each of their logits as dear as a layer.
    Uses `logits_to_keep` and `shift_labels`, which transformers' causal models and their loss take. `model` is the one that is called: PEFT
    calls the `forward` of its base past the hooks that hang there.
    """

    def before(_module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        labels = kwargs.get("labels")
        if labels is not None:
            following = nn.functional.pad(labels, (0, 1), value=-100)[:, 1:]
            places = (following != -100).any(0).nonzero()[:, 0]
            kwargs = {**kwargs, "logits_to_keep": places, "shift_labels": following[:, places].contiguous()}
        return args, kwargs

    model.register_forward_pre_hook(before, with_kwargs=True)


def drop_mask_of_padding_behind(model: nn.Module) -> None:
    """Give no attention mask where padding stands behind the words: no word looks ahead to it, and it has no label. `model` is the one that is called.

    Without a mask attention is plainly causal, which has faster ways (cpu_attention.py).
    """

    def before(_module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        mask = kwargs.get("attention_mask")
        if mask is not None and mask.dim() == 2 and bool((mask[:, 0] == 1).all() and (mask[:, 1:] <= mask[:, :-1]).all()):
            kwargs = {**kwargs, "attention_mask": None}
        return args, kwargs

    model.register_forward_pre_hook(before, with_kwargs=True)


class QuickDropout(nn.Module):
    """Dropout with a 16-bit number per value, four from one draw of the generator (torch's own draws one by one: a fifth of a step's time).

    The probability is rounded to a multiple of 2^-16. Repeatable by `torch.manual_seed`.
    """

    def __init__(self, p: float):
        super().__init__()
        self.p = p
        self.threshold = round(p * 2**16) - 2**15

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        draws = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        kept = draws.view(torch.int16)[: x.numel()].view(x.shape) >= self.threshold
        return x * kept.to(x.dtype).mul_(1 / (1 - self.p))


def quicken_dropout(model: nn.Module) -> None:
    """Put QuickDropout in the place of every LoRA layer's dropout."""
    for module in model.modules():
        for name, dropout in list(getattr(module, "lora_dropout", {}).items()):
            if isinstance(dropout, nn.Dropout):
                module.lora_dropout[name] = QuickDropout(dropout.p)
