"""Gives memory that a training on a CPU has done with back to the kernel, after each step, evaluation and checkpoint.

The allocator is told to keep what is freed (stages/train/launch.py, cpu_settings), since tensors of many megabytes come and go. But batches are of many
lengths, and holes of one length's tensors do not fit those of another: without this 31 steps of SmolLM2-135M grew from 3.6 to 6.8 GiB, of which 0.5 were in
use between two steps; given back every fourth step, still to 7.3 GiB; after every step to 4.6, for about a tenth of the processor's time in page faults, and to 5.5 in the step after
an evaluation.
"""

from __future__ import annotations

import ctypes

from transformers import TrainerCallback


class GiveBack(TrainerCallback):
    """Calls glibc's malloc_trim(3), which also frees whole pages between blocks in use; does nothing where there is no such function."""

    def __init__(self) -> None:
        self.trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

    def on_step_end(self, args, state, control, **kwargs):
        if self.trim:
            self.trim(0)

    on_evaluate = on_save = on_step_end
