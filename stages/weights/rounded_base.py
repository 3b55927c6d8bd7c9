"""The base as the training of a QLoRA saw it: the weights of its linear layers rounded to 4 bits, everything else as it is.

QLoRA (arXiv 2305.14314) trains an adapter for the rounded base, whose errors it makes up for as far as it can. On the base as it was those errors are gone and
what makes up for them stays; so adapter and rounded base belong together, whether they are scored, folded for a server or merged. Rounded is not packed: the
merged model has the base's own precision and size, and vLLM needs no bitsandbytes. Rounding it to 4 bits once more would round the adapter too
(peft #2105, transformers #26492).

A base in 8 bits (`load_in_8bit`) is not rounded here: its error, 0.5 % of a weight, is near bfloat16's own, where that of 4 bits is 9 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from transformers import PreTrainedModel
from transformers.quantizers.base import HfQuantizer
from transformers.quantizers.quantizers_utils import should_convert_module


@dataclass(frozen=True)
class Rounding:
    """How a base was rounded for training."""

    precision: torch.dtype
    """The one that the weights had before, and that they are unpacked to for a product."""
    kind: str = "nf4"
    double: bool = True
    """Whether each block's largest weight is itself kept in 8 bits (the paper's double quantization)."""
    skipped: list[str] | None = None
    """Modules that stay as they are; None: the embeddings and the head."""

    @torch.no_grad()
    def round(self, model: PreTrainedModel) -> None:
        """Round a model's weights in place: of those modules that transformers' loader would put into 4 bits."""
        kept = HfQuantizer.get_modules_to_not_convert(model, self.skipped, model._keep_in_fp32_modules)
        for name, module in model.named_modules():
            if type(module) is torch.nn.Linear and should_convert_module(name, kept):
                module.weight.copy_(self.rounded(module.weight))

    def rounded(self, weight: torch.Tensor) -> torch.Tensor:
        """A weight after bitsandbytes' way to 4 bits and back, in `precision`: blocks of 64 values, whatever the length of a row."""
        from bitsandbytes.functional import dequantize_4bit, quantize_4bit  # a second to import, and for QLoRA alone

        # As one row: for rows that are no multiple of 64, 0.50 on a CPU unpacks with the wrong blocks' largest weights (measured: 25 to 37 % off).
        row = weight.to(self.precision).reshape(-1)
        return dequantize_4bit(*quantize_4bit(row, quant_type=self.kind, compress_statistics=self.double)).reshape(weight.shape)


def rounding(adapter: str | Path) -> Rounding | None:
    """How the base was rounded in the training of an adapter, by the config kept beside it; None where it was not.

    As Axolotl 0.19 reads that config (loaders/model.py, _set_quantization_config).
    """
    config = yaml.safe_load((Path(adapter) / "axolotl.yaml").read_text(encoding="utf-8"))
    if config.get("adapter") != "qlora":
        return None
    own = config.get("bnb_config_kwargs") or {}
    precision = torch.bfloat16 if config.get("bf16") else torch.float16 if config.get("fp16") else torch.float32
    return Rounding(precision, own.get("bnb_4bit_quant_type", "nf4"), own.get("bnb_4bit_use_double_quant", True), own.get("llm_int8_skip_modules"))
