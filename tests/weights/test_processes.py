"""What the plugin makes of several processes before they train (tests/train/test_several_processes.py trains with them)."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from transformers.trainer_pt_utils import LengthGroupedSampler

from stages.weights.epoch_order import order_by_epoch
from stages.weights.plugin import DramatisPlugin


def test_where_fewer_processes_train_than_were_asked_for_the_run_gives_up(tmp_path):
    (tmp_path / "terms.json").write_text(json.dumps({"chats": {}, "patience": None, "processes": 2}))
    with pytest.raises(SystemExit):
        DramatisPlugin().post_trainer_create(SimpleNamespace(output_dir=str(tmp_path)), SimpleNamespace(args=SimpleNamespace(world_size=1)))
    assert json.loads((tmp_path / "stopped.json").read_text())["reason"].startswith("2 processes were asked for, and 1 train")


def order(processes: int, accumulation: int, epoch: float = 0.0) -> list[int]:
    """The order of 64 chats in an epoch, as one of so many processes draws it; micro batches of 2."""
    trainer = SimpleNamespace(args=SimpleNamespace(world_size=processes), state=SimpleNamespace(epoch=epoch))
    trainer._get_train_sampler = lambda: LengthGroupedSampler(2 * accumulation, lengths=[(7 * number) % 64 for number in range(64)])
    order_by_epoch(trainer, seed=42)
    return list(trainer._get_train_sampler())


def test_as_many_chats_a_step_come_in_one_order_however_many_processes_share_them():
    assert order(1, 4) == order(2, 2) == order(4, 1)
    assert sorted(order(1, 4)) == list(range(64))


def test_a_run_that_goes_on_in_the_middle_of_an_epoch_draws_that_epochs_order():
    assert order(2, 2, epoch=1.5) == order(2, 2, epoch=1.0) != order(2, 2)
