"""Real trainings of the tiny model in one process and in two that talk by gloo: as many chats a step, and they learn the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from stages.common.checkpoints import WHOLE
from stages.common.environments import silent
from stages.common.params import load
from stages.common.progress_file import eval_losses, read
from stages.train.config import render
from stages.train.launch import Launch
from tests.weights.conftest import chat

ROOT = Path(__file__).resolve().parents[2]
CHATS, HELD_OUT, EPOCHS, STEPS = 24, 7, 3, 9  # of 8 chats, in one process or in two


class Run:
    """A training in a folder of its own, by the stage's own command."""

    def __init__(self, base: Path, folder: Path, launch: Launch, asked: int | None = None):
        self.folder = folder
        (folder / "data" / "splits").mkdir(parents=True)
        for name, numbers in (("train", range(CHATS)), ("validation", range(50, 50 + HELD_OUT))):
            lines = [chat(number) for number in numbers]
            for number, line in enumerate(lines):
                line["conversations"][2]["value"] += " Indeed" * (number % 7)
            (folder / f"data/splits/{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        changed = {"num_epochs": EPOCHS, "save_steps": 3, "eval_steps": 3, "lora_dropout": 0.0, "gradient_accumulation_steps": 4 // launch.world}
        config = render({**load("train"), **changed}, str(base), str(folder), bf16=False, gpu=False)
        (folder / "axolotl.yaml").write_text(yaml.safe_dump(config))
        handed = {"train": CHATS, "validation": HELD_OUT}
        (folder / "terms.json").write_text(json.dumps({"chats": handed, "patience": None, "processes": asked or launch.world}))
        environment = silent(**launch.environment() | {"OMP_NUM_THREADS": "1"}, PYTHONPATH=str(ROOT))
        with open(folder / "log.txt", "wb") as log:
            command = launch.command(sys.executable, folder / "axolotl.yaml")
            self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)

    def end(self) -> Run:
        assert self.process.wait(timeout=600) == 0, (self.folder / "log.txt").read_text()[-3000:]
        return self

    @property
    def lines(self) -> list[dict]:
        return read(self.folder / "progress.jsonl")

    @property
    def losses(self) -> dict[int, float]:
        return {line["step"]: line["loss"] for line in self.lines if "loss" in line}

    @property
    def adapter(self) -> dict[str, torch.Tensor]:
        return load_file(self.folder / f"checkpoint-{STEPS}" / "adapter_model.safetensors")


@pytest.fixture(scope="module")
def runs(base, tmp_path_factory) -> tuple[Run, Run]:
    launches = (Launch("accelerate", 1, 1, 0, gpu=False), Launch("torchrun", 2, 1, 0, gpu=False))
    begun = [Run(base, tmp_path_factory.mktemp("run"), launch) for launch in launches]
    one, two = (run.end() for run in begun)
    return one, two


def test_two_processes_reach_the_losses_and_the_adapter_of_one(runs):
    one, two = runs
    assert list(two.losses) == list(range(1, STEPS + 1))
    assert two.losses == pytest.approx(one.losses, abs=5e-3)
    assert eval_losses(two.lines) == pytest.approx(eval_losses(one.lines), abs=5e-3)
    assert max(float((one.adapter[name] - two.adapter[name]).abs().max()) for name in one.adapter) < 5e-3


def test_tokens_are_those_of_all_processes_and_each_wrote_its_own_state(runs):
    one, two = runs
    assert one.lines[-1]["tokens"] == two.lines[-1]["tokens"] > 0
    assert {f"rng_state_{rank}.pth" for rank in range(2)} < set(json.loads((two.folder / f"checkpoint-{STEPS}" / WHOLE).read_text()))


def test_where_fewer_processes_train_than_were_asked_for_the_run_gives_up(base, tmp_path):
    run = Run(base, tmp_path / "run", Launch("torchrun", 1, 1, 0, gpu=False), asked=2)
    assert run.process.wait(timeout=300) != 0
    reason = json.loads((run.folder / "stopped.json").read_text())["reason"]
    assert reason.startswith("2 processes were asked for, and 1 train")
