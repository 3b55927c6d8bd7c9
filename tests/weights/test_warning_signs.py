"""Real trainings of the tiny model that go wrong, each in its own way: what is warned of them, and that a quiet one has none of it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from stages.train.progress import curves
from stages.train.warning_signs import of_curve
from tests.weights.test_interruption import Run
from tests.weights.tiny import chat

PARAMETERS = 100_000
ALL_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
EAGER = {"lora_r": 64, "lora_target_modules": ALL_LINEAR, "learning_rate": 2e-2}


def babble(number: int, letters: str = "abcdefghijklmnop", length: int = 12) -> dict:
    """A chat whose words can be learned by heart, and not foretold."""
    draw, made = random.Random(number), chat(number)
    for turn in made["conversations"][1:]:
        turn["value"] = "".join(draw.choices(letters, k=length))
    return made


class Odd(Run):
    """A training on chats of the test's own, in steps of four."""

    def __init__(self, base: Path, folder: Path, train: list[dict], **params: object):
        super().__init__(base, folder, micro_batch_size=4, gradient_accumulation_steps=1, **{"save_steps": 1000, **params})
        for name, chats in {"train": train, "validation": [babble(number) for number in range(100, 104)]}.items():
            (folder / f"data/splits/{name}.jsonl").write_text("".join(json.dumps(chat) + "\n" for chat in chats))
            self.terms["chats"][name] = len(chats)

    def signs(self, ended: bool = True) -> dict[str, str]:
        return dict(of_curve(self.lines, ended, PARAMETERS))


@pytest.fixture(scope="module")
def runs(base, tmp_path_factory) -> dict[str, Odd]:
    """All at once, for most of the time of each is its start."""
    few, broken = [babble(number) for number in range(4)], babble(1000, "§±µ¶", 40)
    many = [babble(number) for number in range(31)]
    runs = {
        "overfits": Odd(base, tmp_path_factory.mktemp("overfits"), few, **EAGER, num_epochs=30, eval_steps=10, lora_dropout=0.0),
        "stands still": Odd(base, tmp_path_factory.mktemp("still"), few, learning_rate=1e-9, lr_scheduler="constant", num_epochs=12, eval_steps=0.25),
        # The longest chat comes first in each epoch: the second time among losses that have fallen.
        "spikes": Odd(base, tmp_path_factory.mktemp("spikes"), [*many, broken], **EAGER, num_epochs=2, eval_steps=16),
    }
    processes = {name: run.begin() for name, run in runs.items()}
    for name, process in processes.items():
        assert process.wait(timeout=400) == 0, (runs[name].folder / "log.txt").read_text()[-3000:]
    return runs


def test_chats_learned_by_heart_raise_the_eval_loss_far_above_the_training_loss(runs):
    signs = runs["overfits"].signs(ended=False)
    assert list(signs) == ["eval_loss_rises", "eval_loss_far_above"]
    assert "fewer num_epochs" in signs["eval_loss_rises"]


def test_a_tiny_rate_gets_nowhere_and_ends_too_high(runs):
    signs = runs["stands still"].signs()
    assert list(signs) == ["early_plateau", "final_loss"]
    assert "raise learning_rate" in signs["early_plateau"]


def test_a_broken_chat_among_others_is_a_spike_at_its_step(runs):
    signs = runs["spikes"].signs()
    assert set(signs) == {"loss_spike", "final_loss"}
    assert "spikes at step 9: " in signs["loss_spike"]


def test_every_curve_of_a_real_training_has_its_rows(runs):
    run = runs["spikes"]
    rows = {Path(path).stem: text.splitlines()[1:] for path, text in curves(run.lines).items()}
    assert {name: len(found) for name, found in rows.items()} == {
        "loss": 16, "learning_rate": 16, "grad_norm": 16, "step_seconds": 16, "tokens_per_second": 16, "memory": 17, "eval_loss": 2, "eval_perplexity": 2,
    }  # fmt: skip
    values = {name: [float(row.split(",")[1]) for row in found] for name, found in rows.items()}
    assert min(values["grad_norm"] + values["step_seconds"]) > 0
    assert 200 < values["memory"][0] <= values["memory"][-1] < 4000
    assert values["memory"] == sorted(values["memory"])
