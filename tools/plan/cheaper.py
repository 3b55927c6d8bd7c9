"""Ways to make a training fit, cheapest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

SHOWN = 3


@dataclass(frozen=True)
class Change:
    """A change of parameters that saves memory."""

    values: Mapping[str, Any]
    costs: str
    weight: int
    """How dear it is: time first, then quality, then data."""

    def __str__(self) -> str:
        said = ", ".join(f"{name}: {shown(value)}" for name, value in self.values.items())
        return f"{said} ({self.costs})"


def shown(value: Any) -> str:
    return f"[{', '.join(value)}]" if isinstance(value, list) else str(value).lower() if isinstance(value, bool) else str(value)


def changes(config: Mapping[str, Any], gpu: bool) -> Iterator[Change]:
    """What could be changed in a rendered config."""
    micro, accumulation = config["micro_batch_size"], config["gradient_accumulation_steps"]
    if gpu and "8bit" not in config["optimizer"] and not config.get("fsdp_config"):
        yield Change({"optimizer": "paged_adamw_8bit"}, "costs next to nothing", 1)
    if micro > 1:
        yield Change(
            {"micro_batch_size": 1, "gradient_accumulation_steps": micro * accumulation}, "the same effective batch, in smaller products: a little time", 2
        )
    if not config["gradient_checkpointing"]:
        yield Change({"gradient_checkpointing": True}, "a third more computing, the same result", 3)
    if gpu and config["adapter"] != "qlora":
        yield Change({"adapter": "qlora"}, "a base in 4 bits: a little quality", 8)
    if len(config["lora_target_modules"]) > 2:
        yield Change({"lora_target_modules": ["q_proj", "v_proj"]}, "fewer weights that learn: quality", 16)
    if config["sequence_len"] > 512:
        yield Change({"sequence_len": 512}, "longer chats are cut: data", 32)


def ways(config: Mapping[str, Any], gpu: bool, total: Callable[[Mapping[str, Any]], float], has: float) -> list[tuple[list[Change], float]]:
    """At most SHOWN sets of changes with which it fits, none of which holds another, and the bytes that each takes; cheapest first."""
    possible = list(changes(config, gpu))
    sets = [list(some) for size in range(1, len(possible) + 1) for some in combinations(possible, size)]
    found: list[tuple[list[Change], float]] = []
    for some in sorted(sets, key=lambda some: sum(change.weight for change in some)):
        if len(found) < SHOWN and not any(all(change in some for change in other) for other, _ in found):
            takes = total(changed(config, some))
            if takes <= has:
                found.append((some, takes))
    return found


def changed(config: Mapping[str, Any], some: list[Change]) -> dict[str, Any]:
    """The config with the changes made."""
    result = dict(config)
    for change in some:
        result |= change.values
    return result
