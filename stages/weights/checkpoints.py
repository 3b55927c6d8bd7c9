"""When a training saves, which of its checkpoints stay, and when it stops before its end: told to (SIGTERM), for want of progress, or because numbers broke."""

from __future__ import annotations

import math
import shutil
import signal
import threading
from pathlib import Path

from accelerate.state import AcceleratorState, DistributedType
from transformers import TrainerCallback

from stages.common.checkpoints import best, mark, whole
from stages.common.files import write_json
from stages.common.progress_file import eval_losses
from stages.weights import ranks

NEWEST = 2  # checkpoints that stay beside the best one
SHARDED = (DistributedType.FSDP, DistributedType.DEEPSPEED)  # no process has all of the weights


class Checkpoints(TrainerCallback):
    """Evaluates and saves at the end too, saves with every evaluation, and marks what it has saved as whole."""

    def __init__(self, folder: Path, patience: int | None):
        self.folder, self.patience = folder, patience
        self.told_to_stop = self.at_end = False

    def on_train_begin(self, args, state, control, **kwargs):
        # The step under way is finished first: half a step cannot be saved.
        if threading.current_thread() is threading.main_thread():  # Ray trains in another, and signals its workers by its own means
            signal.signal(signal.SIGTERM, self._stop)

    def _stop(self, number: int, frame: object) -> None:
        self.told_to_stop = True

    def on_step_end(self, args, state, control, **kwargs):
        self.told_to_stop = ranks.any_says(self.told_to_stop, args.device)  # all stop after the same step, or some would wait for the rest for ever
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
        if self.patience is not None and evaluations_since_best(state.log_history) >= self.patience:
            control.should_training_stop = True

    def on_save(self, args, state, control, model=None, **kwargs):
        checkpoint = self.folder / f"checkpoint-{state.global_step}"
        if args.should_save and not state.is_world_process_zero and AcceleratorState().distributed_type not in SHARDED:
            model.save_pretrained(checkpoint)  # Axolotl leaves the weights to rank 0; a host without them could not go on
        ranks.wait_for_all()  # each writes files of its own into the checkpoint
        if args.should_save:  # one process on each host
            mark(checkpoint)
            prune(self.folder, eval_losses(state.log_history))


def give_up(folder: Path, reason: str) -> None:
    """End the process; the stage says the reason."""
    write_json(folder / "stopped.json", {"reason": reason})
    raise SystemExit(1)


def evaluations_since_best(logged: list[dict]) -> int:
    """How many evaluations came after the best one, of what the trainer has logged: every process knows that."""
    losses = eval_losses(logged)
    return sum(step > (best(losses) or 0) for step in losses)


def prune(folder: Path, losses: dict[int, float]) -> None:
    """Remove all checkpoints but the newest and the best by eval loss."""
    there = whole(folder)
    stay = {*list(there)[-NEWEST:], best({step: losses[step] for step in there if step in losses})}
    for step, path in there.items():
        if step not in stay:
            shutil.rmtree(path, ignore_errors=True)


def newest_of_all(folder: Path) -> Path | None:
    """The checkpoint from which every process can go on; None where there is none. Each host has its own, and a kill may come between two hosts' marks.

    What this host has of later steps is removed. Gives up where the processes do not train the same: `folder` is named after all that a run depends on.
    """
    here = [step for step, path in whole(folder).items() if (path / "adapter_model.safetensors").exists()]  # shards of several hosts have it on one alone
    names, steps = zip(*ranks.each((folder.name, here)), strict=True)
    if len(set(names)) > 1:
        give_up(
            folder, f"the hosts do not train the same ({', '.join(sorted(set(names)))}): parameters, precision, base, data or requirements/train.txt differ"
        )
    newest = max(set.intersection(*map(set, steps)), default=None)
    for step, path in whole(folder).items():
        if newest is None or step > newest:
            shutil.rmtree(path, ignore_errors=True)
    return None if newest is None else folder / f"checkpoint-{newest}"
