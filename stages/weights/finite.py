"""A base model whose weights are numbers: one that is not trains to NaN, or to nonsense without a word."""

from __future__ import annotations

import torch
from torch import nn


def broken_weight(model: nn.Module) -> str | None:
    """One sentence on the first weight that holds NaN or infinity; None where there is none. Every plain weight is looked at once.

    Weights in 4 or 8 bits are none: their bits lie in parameters of another class, of a float's type at times (bnb_4bit_quant_storage).
    """
    for name, weight in model.named_parameters():
        if type(weight) is nn.Parameter and weight.is_floating_point() and not weight.is_meta:
            bad = weight.numel() - int(torch.isfinite(weight).sum())
            if bad:
                return f"{name} has {bad} of {weight.numel()} values that are NaN or infinite"
    return None
