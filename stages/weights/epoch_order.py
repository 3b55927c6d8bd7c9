"""The order of the chats in each epoch, from seed and epoch alone: a run that goes on in its second epoch could not know it from the state of a generator."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from axolotl.utils.samplers import MultipackBatchSampler
from torch.utils.data import Sampler


class EpochOrder(Sampler):
    """A sampler of transformers' or torch's that draws by `generator`, given one of its own for each epoch. accelerate calls `set_epoch`.

    `packer`: Axolotl's, which packs what the sampler draws, and keeps what it has packed until it hears of another epoch.
    """

    def __init__(self, sampler: Sampler, seed: int, packer: MultipackBatchSampler | None = None):
        self.sampler, self.seed, self.packer, self.epoch = sampler, seed, packer, 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next, from 0."""
        self.epoch = epoch
        if self.packer:  # accelerate tells it too, but not where a run goes on: there another sampler stands before it
            self.packer.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[int]:
        self.sampler.generator = torch.Generator().manual_seed(self.seed + self.epoch)
        return iter(self.sampler)


def order_by_epoch(trainer: object, seed: int) -> None:
    """Have a trainer draw its training chats so, if it draws them at all, also where they are packed."""
    make = trainer._get_train_sampler

    def sampler(*args: object, **named: object) -> Sampler | None:
        made = make(*args, **named)
        if isinstance(made, MultipackBatchSampler):
            made.sampler = EpochOrder(made.sampler, seed, made)
            made.sampler.set_epoch(0)  # it has packed already, in another order, to count the batches
            return made
        return EpochOrder(made, seed) if hasattr(made, "generator") else made

    trainer._get_train_sampler = sampler
