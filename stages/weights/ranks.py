"""What the processes of one training agree on, wherever they run. With one process each of these is what that one says."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist


def several() -> bool:
    """Whether other processes train with this one."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def any_says(said: bool, device: torch.device) -> bool:
    """Whether at least one process says so. `device` is where the training's tensors are."""
    if not several():
        return said
    answer = torch.tensor(int(said), device=device)
    dist.all_reduce(answer, dist.ReduceOp.MAX)
    return bool(answer)


def wait_for_all() -> None:
    """Go on when every process has come here."""
    if several():
        dist.barrier()


def each(value: Any) -> list[Any]:
    """Every process's value, by rank."""
    if not several():
        return [value]
    values = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values
