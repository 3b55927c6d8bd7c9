"""What oneDNN and ideep keep of the shapes that they have multiplied stays small, so that the heap stays whole."""

from __future__ import annotations

import os
import subprocess
import sys

from stages.train.launch import cpu_settings
from tests.project import ROOT

PRODUCTS = """
import ctypes, torch
counts = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
told = ctypes.CDLL(None).mallinfo2
told.restype = type("Told", (ctypes.Structure,), {"_fields_": [(name, ctypes.c_size_t) for name in counts]})
weight = torch.ones(576, 576, dtype=torch.bfloat16)
torch.ones(8, 576, dtype=torch.bfloat16) @ weight
before = told().uordblks
for length in range(16, 416):
    torch.ones(length, 576, dtype=torch.bfloat16) @ weight
print((told().uordblks - before) >> 10)
"""


def test_four_hundred_lengths_leave_no_more_than_the_last_sixty_four_in_use() -> None:
    environment = {**os.environ, **cpu_settings(), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", PRODUCTS], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert int(done.stdout) < 64 * 1024, done.stderr
