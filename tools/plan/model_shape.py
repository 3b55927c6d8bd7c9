"""The shape of a Llama-like model, from its config.json, and the numbers of its weights and of an adapter's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from stages.common.errors import UserError

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
"""`model_type` of those whose layers are attention and a gated MLP, as this module counts them."""
NEEDED = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")


@dataclass(frozen=True)
class Shape:
    """A decoder whose layers are grouped-query attention and a gated MLP."""

    layers: int
    width: int
    mlp: int
    queries: int
    """Width of all query heads together."""
    keys: int
    """Width of all key heads together; values have the same."""
    heads: int
    vocabulary: int
    tied: bool
    """Whether the embeddings are the head too."""

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """(width in, width out) of each linear map of a layer, by its name."""
        return {
            "q_proj": (self.width, self.queries),
            "k_proj": (self.width, self.keys),
            "v_proj": (self.width, self.keys),
            "o_proj": (self.queries, self.width),
            "gate_proj": (self.width, self.mlp),
            "up_proj": (self.width, self.mlp),
            "down_proj": (self.mlp, self.width),
        }

    @property
    def in_layers(self) -> int:
        """Weights of all layers' linear maps: those that QLoRA quantizes."""
        return self.layers * sum(into * out for into, out in self.linears.values())

    @property
    def in_vocabulary(self) -> int:
        """Weights of embeddings and head."""
        return self.vocabulary * self.width * (1 if self.tied else 2)

    @property
    def weights(self) -> int:
        """All weights; the biases that Qwen2 has are left out (under 0.01 %)."""
        return self.in_layers + self.in_vocabulary + (2 * self.layers + 1) * self.width

    def adapter(self, rank: int, modules: Collection[str]) -> int:
        """Weights of a LoRA adapter: rank x (in + out) of each adapted map."""
        return self.layers * rank * sum(sum(self.linears[name]) for name in modules)


def shape(config: Mapping[str, Any], where: str = "models/base/config.json") -> Shape:
    """The shape that a config.json describes. Raises UserError where it is of no family that this module can count."""
    family = config.get("model_type")
    if family not in FAMILIES or any(name not in config for name in NEEDED):
        raise UserError(f"{where}: model_type is {family!r}; the plan can count the weights of {', '.join(FAMILIES)} only")
    heads = config["num_attention_heads"]
    of_each = config.get("head_dim") or config["hidden_size"] // heads
    return Shape(
        layers=config["num_hidden_layers"],
        width=config["hidden_size"],
        mlp=config["intermediate_size"],
        queries=heads * of_each,
        keys=(config.get("num_key_value_heads") or heads) * of_each,
        heads=heads,
        vocabulary=config["vocab_size"],
        tied=bool(config.get("tie_word_embeddings")),
    )
