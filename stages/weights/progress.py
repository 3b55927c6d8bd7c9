"""What the trainer logs, as it comes: one line of `progress.jsonl` a log, cut back to the checkpoint where a run goes on."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import torch
from transformers import TrainerCallback

from stages.common.files import write_text
from stages.common.progress_file import read

KEPT = ("loss", "eval_loss", "learning_rate", "grad_norm")


class Progress(TrainerCallback):
    """Appends what the trainer logs, with the step, the tokens seen, the seconds spent on steps and the most memory in use so far.

    Seconds are those of all attempts together; the clock stands still while the trainer evaluates or saves, and until its next step begins.
    """

    def __init__(self, path: Path):
        self.path = path
        self.seconds, self.since, self.stopped = 0.0, 0.0, True

    def _write(self, state, **values: float) -> None:
        line = {
            "step": state.global_step,
            "steps": state.max_steps,
            "seconds": round(self.seconds, 3),
            "tokens": state.num_input_tokens_seen,
            "memory": peak_memory(),
            **values,
        }
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            if "eval_loss" in values:  # by these the best checkpoint is chosen, after a power cut too
                file.flush()
                os.fsync(file.fileno())

    def on_train_begin(self, args, state, control, **kwargs):
        if state.global_step:
            args.eval_on_start = False  # the run that goes on here did it
        if not state.is_world_process_zero:
            return
        # What stands there of this step and those before it was written before its checkpoint was.
        before = [line for line in read(self.path) if line["step"] <= state.global_step] if state.global_step else []
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in before))
        if before:
            self.seconds = before[-1]["seconds"]
        else:
            self._write(state)

    def on_step_begin(self, args, state, control, **kwargs):
        if self.stopped:
            self.since, self.stopped = time.monotonic(), False

    def on_step_end(self, args, state, control, **kwargs):
        now = time.monotonic()
        self.seconds, self.since = self.seconds + now - self.since, now

    def on_evaluate(self, args, state, control, **kwargs):
        self.stopped = True

    def on_save(self, args, state, control, **kwargs):
        self.stopped = True

    def on_log(self, args, state, control, logs=None, **kwargs):
        kept = {name: float(logs[name]) for name in KEPT if name in (logs or {})}
        if kept and state.is_world_process_zero:
            self._write(state, **kept)


def peak_memory() -> float:
    """The most memory that this process has had so far, in MiB: on a GPU what torch allocated there, else what was resident (VmHWM, proc(5))."""
    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    # Some sandboxes' kernels know no peak.
    return round(int(status.get("VmHWM", status["VmRSS"]).split()[0]) / 2**10, 1)
