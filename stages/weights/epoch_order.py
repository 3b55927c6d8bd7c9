"""The order of the chats in each epoch, from seed and epoch alone, the same for every process.

A run that goes on in its second epoch could not know it from the state of a generator; and several processes, each of which takes its share of the
batches, must draw one order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from axolotl.utils.samplers import MultipackBatchSampler
from torch.utils.data import Sampler


class EpochOrder(Sampler):
    """A sampler of transformers' or torch's that draws by `generator`, given one of its own for each epoch.

    `epoch` says which one begins, from 0. (accelerate's `set_epoch` does not come through where several processes go on in the middle of an epoch.)
    """

    def __init__(self, sampler: Sampler, seed: int, epoch: Callable[[], int]):
        self.sampler, self.seed, self.epoch = sampler, seed, epoch

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[int]:
        self.sampler.generator = torch.Generator().manual_seed(self.seed + self.epoch())
        return iter(self.sampler)


def order_by_epoch(trainer: object, seed: int) -> None:
    """Have a trainer draw its training chats so, if it draws them at all, also where they are packed.

    Chats are grouped by length into whole steps, those of all processes together: as many chats a step give the same steps, however many processes train.
    """
    make = trainer._get_train_sampler

    def epoch() -> int:
        return int(trainer.state.epoch or 0)

    def sampler(*args: object, **named: object) -> Sampler | None:
        made = make(*args, **named)
        if isinstance(made, MultipackBatchSampler):
            return _packed_by_epoch(made, seed, epoch)
        if not hasattr(made, "generator"):
            return made
        if hasattr(made, "batch_size"):
            made.batch_size *= trainer.args.world_size
        return EpochOrder(made, seed, epoch)

    trainer._get_train_sampler = sampler


def _packed_by_epoch(packer: MultipackBatchSampler, seed: int, epoch: Callable[[], int]) -> MultipackBatchSampler:
    """Axolotl's sampler of packed batches, which keeps what it has packed until it hears of another epoch: have it look by itself."""
    packer.sampler = EpochOrder(packer.sampler, seed, epoch)
    packer.set_epoch(epoch())  # it has packed already, in another order, to count the batches
    pack = packer.generate_batches

    def of_this_epoch(*args: object, **named: object) -> list[list[list[int]]]:
        if packer.epoch != epoch():
            packer.set_epoch(epoch())
        return pack(*args, **named)

    packer.generate_batches = of_this_epoch
    return packer
