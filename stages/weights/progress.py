"""What the trainer logs, as it comes: one line of `progress.jsonl` a log, cut back to the checkpoint where a run goes on."""

from __future__ import annotations

import json
import time
from pathlib import Path

from transformers import TrainerCallback

from stages.common.files import write_text
from stages.common.progress_file import read

KEPT = ("loss", "eval_loss", "learning_rate", "grad_norm", "eval_runtime")


class Progress(TrainerCallback):
    """Appends what the trainer logs, with the step, the tokens seen and the seconds of training since the first step began, pauses left out."""

    def __init__(self, path: Path):
        self.path = path
        self.started = time.monotonic()

    def _write(self, state, **values: float) -> None:
        line = {
            "step": state.global_step,
            "steps": state.max_steps,
            "seconds": round(time.monotonic() - self.started, 3),
            "tokens": state.num_input_tokens_seen,
            **values,
        }
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def on_train_begin(self, args, state, control, **kwargs):
        self.started = time.monotonic()
        if state.global_step:
            args.eval_on_start = False  # the run that goes on here did it
        if not state.is_world_process_zero:
            return
        # What stands there of this step and those before it was written before its checkpoint was.
        before = [line for line in read(self.path) if line["step"] <= state.global_step] if state.global_step else []
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in before))
        if before:
            self.started -= before[-1]["seconds"]
        else:
            self._write(state)

    def on_log(self, args, state, control, logs=None, **kwargs):
        kept = {name: float(logs[name]) for name in KEPT if name in (logs or {})}
        if kept and state.is_world_process_zero:
            self._write(state, **kept)
