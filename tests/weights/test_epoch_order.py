"""Packed chats come in an order of seed and epoch alone, also where a run goes on in the middle of its second epoch."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from accelerate import skip_first_batches
from accelerate.data_loader import prepare_data_loader
from axolotl.utils.samplers import MultipackBatchSampler, multipack
from torch.utils.data import DataLoader, RandomSampler

from stages.weights.epoch_order import order_by_epoch

STATE = SimpleNamespace(epoch=0.0)  # a trainer's: how far it is, in epochs
LENGTHS = [10 + 7 * (number % 5) for number in range(40)]


class Chats:
    """A data set whose rows are their own numbers."""

    def __len__(self) -> int:
        return len(LENGTHS)

    def __getitem__(self, numbers: list[int]) -> list[int]:
        return numbers


@pytest.fixture(autouse=True)
def no_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Axolotl sweeps the whole process after each packing: a second each time, with all that is imported here."""
    monkeypatch.setattr(multipack.gc, "collect", lambda: 0)


def loader(seed: int = 42) -> DataLoader:
    """A trainer's data loader as Axolotl and accelerate make it, with sample packing."""
    chats = Chats()
    trainer = SimpleNamespace(state=STATE, args=SimpleNamespace(world_size=1))
    trainer._get_train_sampler = lambda: MultipackBatchSampler(RandomSampler(chats), 1, 64, LENGTHS, bin_size=100, num_processes=1)
    STATE.epoch = 0.0
    order_by_epoch(trainer, seed)
    sampler = trainer._get_train_sampler()
    len(sampler)  # Axolotl counts before it trains
    return prepare_data_loader(DataLoader(chats, batch_sampler=sampler, collate_fn=lambda batch: batch), num_processes=1, process_index=0)


def epoch(data: DataLoader, number: int, after: int = 0) -> list[list[int]]:
    """The packed rows of an epoch, from the one after so many."""
    STATE.epoch = number + (0.3 if after else 0.0)
    rest = skip_first_batches(data, after) if after else data
    rest.set_epoch(number)
    return [row for row in rest]


def test_a_run_that_goes_on_packs_its_second_epoch_as_one_that_was_not_interrupted():
    torch.manual_seed(1)
    undisturbed = loader()
    first, second = epoch(undisturbed, 0), epoch(undisturbed, 1)
    torch.manual_seed(2)  # what a new process has drawn by then is another thing
    assert epoch(loader(), 1, after=3) == second[3:]
    assert first != second


def test_another_seed_packs_another_order_and_each_epoch_has_every_chat():
    assert epoch(loader(42), 0) != epoch(loader(43), 0)
    flat = [number for row in epoch(loader(), 0) for bins in row for number in bins]
    assert sorted(flat) == list(range(len(LENGTHS)))
