"""Real trainings of the tiny model that are killed and go on: they end as one that nobody disturbed."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from stages.common.checkpoints import WHOLE, whole
from stages.common.environments import silent
from stages.common.params import load
from stages.common.progress_file import eval_losses, read
from stages.train.__main__ import newest
from stages.train.config import render
from stages.train.warning_signs import of_curve
from tests.weights.tiny import chat

ROOT = Path(__file__).resolve().parents[2]
CHATS, EPOCHS, STEPS = 24, 3, 9  # of 8 chats


class Run:
    """A training in a folder of its own, with the pipeline's config, that can be begun again and again."""

    def __init__(self, base: Path, folder: Path, patience: int | None = None, **params: object):
        self.folder, self.base = folder, base
        (folder / "data" / "splits").mkdir(parents=True)
        for name, numbers in (("train", range(CHATS)), ("validation", range(50, 53))):
            lines = [chat(number) for number in numbers]
            for number, line in enumerate(lines):
                line["conversations"][2]["value"] += " Indeed" * (number % 7)
            (folder / f"data/splits/{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.params = {**load("train"), "num_epochs": EPOCHS, "save_steps": 1, "eval_steps": 3, "lora_dropout": 0.1, **params}
        self.terms = {"chats": {"train": CHATS, "validation": 3}, "patience": patience, "served": str(base), "processes": 1}

    def begin(self) -> subprocess.Popen:
        """Start, from the newest whole checkpoint if there is one."""
        config = render(self.params, str(self.base), str(self.folder), bf16=False, gpu=False)
        if checkpoint := newest(self.folder):
            config["resume_from_checkpoint"] = str(checkpoint)
        (self.folder / "terms.json").write_text(json.dumps(self.terms))
        (self.folder / "axolotl.yaml").write_text(yaml.safe_dump(config))
        environment = silent(PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1")
        with open(self.folder / "log.txt", "ab") as log:
            command = [sys.executable, "-m", "axolotl.cli.train", str(self.folder / "axolotl.yaml")]
            return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)

    def end(self) -> None:
        assert self.begin().wait(timeout=300) == 0, (self.folder / "log.txt").read_text()[-3000:]

    @property
    def lines(self) -> list[dict]:
        return read(self.folder / "progress.jsonl")

    def wait_for(self, step: int, process: subprocess.Popen) -> None:
        while not any(line["step"] >= step for line in self.lines):
            assert process.poll() is None, (self.folder / "log.txt").read_text()[-3000:]
            time.sleep(0.005)

    def adapter(self, step: int = STEPS) -> dict[str, torch.Tensor]:
        return load_file(self.folder / f"checkpoint-{step}" / "adapter_model.safetensors")


@pytest.fixture(scope="module")
def undisturbed(base, tmp_path_factory) -> Run:
    run = Run(base, tmp_path_factory.mktemp("undisturbed"))
    run.end()
    return run


def test_a_run_evaluates_and_saves_at_its_end_and_keeps_its_newest_and_its_best_checkpoints(undisturbed):
    losses = eval_losses(undisturbed.lines)
    assert list(losses) == [3, 6, 9]
    assert set(whole(undisturbed.folder)) == {STEPS - 1, STEPS, min(losses, key=losses.get)}
    assert json.loads((undisturbed.folder / "finished.json").read_text())["trainable_parameters"] > 0


def test_a_run_that_is_killed_at_random_moments_ends_as_one_that_is_not(base, undisturbed, tmp_path):
    """Also in the middle of a checkpoint's writing: the one that a kill leaves half is not gone on from."""
    run, draw = Run(base, tmp_path / "run"), random.Random(6)
    for step in (1, 2, 4, 6, 8):
        process = run.begin()
        run.wait_for(step, process)
        time.sleep(draw.uniform(0, 0.3))  # before, in, or after the writing
        process.kill()
        process.wait()
    half = max(path for path in run.folder.glob("checkpoint-*"))
    (half / "optimizer.pt").write_bytes((half / "optimizer.pt").read_bytes()[:100] if (half / "optimizer.pt").exists() else b"")
    run.end()
    by_step = [{line["step"]: line["loss"] for line in one.lines if "loss" in line} for one in (undisturbed, run)]
    assert by_step[1] == pytest.approx(by_step[0], abs=1e-4)
    assert eval_losses(run.lines) == pytest.approx(eval_losses(undisturbed.lines), abs=1e-4)
    assert [sign.name for sign in of_curve(run.lines, True, 10**5)] == [sign.name for sign in of_curve(undisturbed.lines, True, 10**5)] == ["final_loss"]
    seen = [line["tokens"] for one in (undisturbed, run) for line in one.lines[-1:]]
    assert seen[0] == seen[1]
    straight, resumed = undisturbed.adapter(), run.adapter()
    assert straight.keys() == resumed.keys()
    assert max(float((straight[name] - resumed[name]).abs().max()) for name in straight) < 1e-3


def test_told_to_stop_it_finishes_the_step_saves_and_ends_with_an_error(base, tmp_path):
    run = Run(base, tmp_path / "run", save_steps=100, eval_steps=100)
    process = run.begin()
    run.wait_for(2, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) not in (0, None)
    assert "told to stop" in json.loads((run.folder / "stopped.json").read_text())["reason"]
    (step,) = whole(run.folder)
    assert step == max(line["step"] for line in run.lines if "loss" in line) < STEPS
    assert not (run.folder / "finished.json").exists()


def test_numbers_that_break_stop_it_at_once_and_leave_the_last_good_checkpoint(base, tmp_path):
    run = Run(base, tmp_path / "run", learning_rate=1e30, max_grad_norm=0.0, warmup_ratio=0.5)
    assert run.begin().wait(timeout=120) == 1
    reason = json.loads((run.folder / "stopped.json").read_text())["reason"]
    assert "is not a number at step" in reason and "learning_rate" in reason
    for checkpoint in whole(run.folder).values():
        weights = load_file(checkpoint / "adapter_model.safetensors")
        assert all(bool(torch.isfinite(weight).all()) for weight in weights.values())


def test_without_progress_it_stops_early(base, tmp_path):
    run = Run(base, tmp_path / "run", patience=2, eval_steps=1, learning_rate=1e-12)
    run.end()
    losses = eval_losses(run.lines)
    best = min(losses, key=lambda step: (losses[step], step))
    assert max(losses) == best + 2 < STEPS
    assert (run.folder / "finished.json").exists()
    assert (run.folder / f"checkpoint-{best}" / WHOLE).exists()
