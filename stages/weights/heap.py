"""Gives memory that a training on a CPU has done with back to the kernel, now and then.

The allocator is told to keep what is freed (stages/train/launch.py, cpu_settings), since tensors of many megabytes come and go. But batches are of many
lengths, and holes of one length's tensors do not fit those of another: without this 31 steps of SmolLM2-135M grew from 3.6 to 6.8 GiB, of which 0.5 were in
use between two steps. Giving back after every step costs a tenth of the processor's time in page faults; every sixteenth batch, a quarter of that.
"""

from __future__ import annotations

import ctypes

from transformers import TrainerCallback

BATCHES = 16


class GiveBack(TrainerCallback):
    """Calls glibc's malloc_trim(3), which also frees whole pages between blocks in use; does nothing where there is no such function."""

    def __init__(self) -> None:
        self.trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

    def on_step_end(self, args, state, control, **kwargs):
        if self.trim and state.global_step % max(1, BATCHES // args.gradient_accumulation_steps) == 0:
            self.trim(0)
