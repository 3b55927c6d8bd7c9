"""Runs a command and measures it with all its descendants: seconds, seconds of cores, memory at the peak."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.common import guard
from stages.common.errors import UserError

PAUSE = 0.2  # seconds between two looks, at least; and twenty times what a look takes, so that looking costs a core at most 5 %


@dataclass(frozen=True)
class Cost:
    """What a command took."""

    seconds: float
    core_seconds: float
    """User and system time of all its processes."""
    mib: float
    """At the peak: the sum of all its processes' PSS (their own pages and their share of common ones, proc_pid_smaps(5)) as sampled; or, where that is more, the
    largest resident size that one of them had until it was looked at for the last time (VmHWM: the kernel keeps it). rusage's would not do: a process begins with
    the one of whoever started it."""


def measure(command: Sequence[str], folder: Path) -> Cost:
    """Run `command` in `folder`. Raises UserError with the end of what it said where it fails."""
    log = folder / "log.txt"
    began = time.monotonic()
    with open(log, "wb") as said:
        process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=said)
        peak, ended = [0.0], threading.Event()
        watcher = threading.Thread(target=_watch, args=(process.pid, peak, ended))
        watcher.start()
        try:
            _, status, used = os.wait4(process.pid, 0)  # with what its own children used
            seconds = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            ended.set()
            watcher.join()
            if process.poll() is None:  # Ctrl-C
                process.terminate()
    if process.returncode:
        raise UserError(f"{' '.join(command)} ended with status {process.returncode}: {log.read_text(errors='replace')[-2000:].strip()}")
    return Cost(seconds, used.ru_utime + used.ru_stime, peak[0])


def _watch(root: int, peak: list[float], ended: threading.Event) -> None:
    pause = 0.0
    while not ended.wait(pause):
        began = time.monotonic()
        each = [root, *guard.descendants(root)]
        peak[0] = max(peak[0], sum(map(pss, each)), *map(largest, each))
        pause = max(PAUSE, 20 * (time.monotonic() - began))


def pss(pid: int) -> float:
    """MiB of a process's proportional set size; 0 for one that is gone."""
    return _told(pid, "smaps_rollup", "Pss:")


def largest(pid: int) -> float:
    """MiB of a process's largest resident size so far; 0 for one that is gone."""
    return _told(pid, "status", "VmHWM:")


def _told(pid: int, file: str, name: str) -> float:
    try:
        for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0
