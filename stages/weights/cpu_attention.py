"""Causal attention on a CPU as two matrix products, for texts as short as chats; torch's own kernel for everything else.

torch's flash attention for CPUs works in small blocks, which pays for long texts. At the 380 tokens of a chat the whole score matrix fits in
the cache, and two large products take less than half its time in bfloat16 (2 cores, 9 heads of 64, forward and backward: 11 ms against 24).
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "two_products"
LONGEST = 512  # tokens; measured: half the kernel's time at 377, level with it at 700, twice its time at 2,048
FORBIDDEN = -1e4  # added to a score that looks ahead: exp of it is 0 in every precision


def use_two_products(model: PreTrainedModel) -> None:
    """Let every layer of a model whose attention is torch's go through `attend`; another kind of attention stays as it is."""
    if model.config._attn_implementation == "sdpa":
        AttentionInterface.register(NAME, attend)
        AttentionMaskInterface.register(NAME, sdpa_mask)
        model.set_attn_implementation(NAME)


def attend(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    position_bias: torch.Tensor | None = None,
    **others: object,
) -> tuple[torch.Tensor, None]:
    """Attention in transformers' own interface: query of shape (batch, heads, length, width), key and value with as many heads or a divisor of them."""
    batch, heads, length, width = query.shape
    short_and_causal = (
        attention_mask is None  # transformers gives none where every text is causal and whole
        and (getattr(module, "is_causal", True) if is_causal is None else is_causal)
        and 1 < length == key.shape[2] <= LONGEST
        and value.shape[3] == width
        and position_bias is None
        and not dropout
    )
    if not short_and_causal:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, is_causal, position_bias, **others)
    groups = key.shape[1]
    share = heads // groups  # query heads that look at one key head: rows of one product
    ahead = torch.full((length, length), FORBIDDEN, dtype=query.dtype).triu(1).repeat(share, 1)
    rows = query.reshape(batch * groups, share * length, width)
    columns = key.reshape(batch * groups, length, width).transpose(1, 2)
    scores = torch.baddbmm(ahead, rows, columns, alpha=width**-0.5 if scaling is None else scaling)
    said = scores.softmax(-1) @ value.reshape(batch * groups, length, width)
    return said.view(batch, heads, length, width).transpose(1, 2), None
