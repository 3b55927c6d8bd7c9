"""When a training saves, which of its checkpoints stay, and when it stops before its end: told to (SIGTERM), for want of progress, or because numbers broke."""

from __future__ import annotations

import math
import shutil
import signal
from pathlib import Path

from transformers import TrainerCallback

from stages.common.checkpoints import best, mark, whole
from stages.common.files import write_json
from stages.common.progress_file import eval_losses, read

NEWEST = 2  # checkpoints that stay beside the best one


class Checkpoints(TrainerCallback):
    """Evaluates and saves at the end too, saves with every evaluation, and marks what it has saved as whole."""

    def __init__(self, folder: Path, patience: int | None):
        self.folder, self.patience = folder, patience
        self.told_to_stop = self.at_end = False

    def on_train_begin(self, args, state, control, **kwargs):
        # The step under way is finished first: half a step cannot be saved.
        signal.signal(signal.SIGTERM, self._stop)

    def _stop(self, number: int, frame: object) -> None:
        self.told_to_stop = True

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step >= state.max_steps:
            control.should_evaluate = control.should_save = self.at_end = True
        elif self.told_to_stop:
            control.should_save = control.should_training_stop = True

    def on_log(self, args, state, control, logs=None, **kwargs):
        broken = [name for name in ("loss", "grad_norm", "eval_loss") if not math.isfinite((logs or {}).get(name, 0.0))]
        if broken:  # logged before the step is saved: what is saved is good
            last = max(whole(self.folder), default=0)
            kept = f"the last good checkpoint is that of step {last}, in {self.folder}" if last else "there was no checkpoint yet"
            give_up(
                self.folder, f"{broken[0]} is not a number at step {state.global_step}: training stopped; {kept}. Lower learning_rate, or look for broken chats"
            )

    def on_evaluate(self, args, state, control, **kwargs):
        control.should_save = state.global_step > 0
        if self.patience is not None and evaluations_since_best(self.folder) >= self.patience:
            control.should_training_stop = True

    def on_save(self, args, state, control, **kwargs):
        if state.is_world_process_zero:
            mark(self.folder / f"checkpoint-{state.global_step}")
            prune(self.folder)


def give_up(folder: Path, reason: str) -> None:
    """End the process; the stage says the reason."""
    write_json(folder / "stopped.json", {"reason": reason})
    raise SystemExit(1)


def evaluations_since_best(folder: Path) -> int:
    """How many evaluations came after the best one."""
    losses = eval_losses(read(folder / "progress.jsonl"))
    return sum(step > (best(losses) or 0) for step in losses)


def prune(folder: Path) -> None:
    """Remove all checkpoints but the newest and the best."""
    there, losses = whole(folder), eval_losses(read(folder / "progress.jsonl"))
    stay = {*list(there)[-NEWEST:], best({step: losses[step] for step in there if step in losses})}
    for step, path in there.items():
        if step not in stay:
            shutil.rmtree(path, ignore_errors=True)
