"""Memory that is done with goes back to the kernel, though the allocator is told to keep it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from stages.train.launch import cpu_settings
from tests.project import ROOT

HOLES = """
import sys
import torch
from stages.weights.heap import GiveBack

def mib():
    return next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if line.startswith("VmRSS"))

def after(event):
    getattr(GiveBack(), event)(None, None, None)
    return mib()

before, pins = mib(), []
tensors = []
for _ in range(100):
    tensors.append(torch.ones(1 << 20))
    pins.append(torch.ones(64))  # stays, so that what is free does not lie at the heap's end
del tensors
print(before, mib(), after(sys.argv[1]))
"""


@pytest.mark.parametrize("event", ["on_step_end", "on_evaluate", "on_save"])
def test_after_each_step_evaluation_and_checkpoint_the_holes_between_what_stays_are_given_back(event: str) -> None:
    environment = {**os.environ, **cpu_settings(), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", HOLES, event], env=environment, cwd=ROOT, capture_output=True, text=True)
    before, held, after = map(int, done.stdout.split())
    assert held - before > 350, done.stderr
    assert after - before < 50
