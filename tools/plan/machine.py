"""What the machine has: memory that a training may take, processors, GPUs."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from stages.common import environments
from stages.common.errors import UserError

MIB = 2**20
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Machine:
    """Where a training would run."""

    name: str
    gpu: bool
    memory: float
    """Bytes: of the smallest GPU, or of main memory that is free."""
    processes: int
    """Training processes: one a GPU."""
    cores: int


def here() -> Machine:
    """This machine, as stage train would use it."""
    cores = len(os.sched_getaffinity(0))
    if not environments.has_gpu():
        return Machine(f"{cores} cores, no GPU", False, free_memory(), 1, cores)
    asked = ["nvidia-smi", "--query-gpu=memory.total,name", "--format=csv,noheader,nounits"]
    gpus = parsed(subprocess.run(asked, capture_output=True, text=True, timeout=30).stdout)
    if not gpus:
        raise UserError("nvidia-smi is there and names no GPU with its memory; name its memory: --gpu GIB")
    smallest, name = min(gpus)
    return Machine(f"{len(gpus)} x {name}", True, smallest, len(gpus), cores)


def parsed(said: str) -> list[tuple[float, str]]:
    """(bytes, name) of each GPU in nvidia-smi's answer; one that has no memory of its own to tell ("[N/A]") is left out."""
    rows = [line.partition(",") for line in said.splitlines()]
    return [(float(mib) * MIB, name.strip()) for mib, _, name in rows if mib.strip().replace(".", "", 1).isdigit()]


def imagined(gib: float, gpus: int, card: str = "GPU") -> Machine:
    """A machine with GPUs of so many GiB, by the name `card`, that is not here."""
    return Machine(f"{gpus} x {card} of {gib:g} GiB", True, gib * 2**30, gpus, 0)


def free_memory() -> float:
    """Bytes that a new process may take: what the kernel calls available, and no more than the control group still allows."""
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    available = float(lines["MemAvailable"].split()[0]) * 1024
    return min(available, allowed(CGROUP))


def allowed(group: Path) -> float:
    """Bytes that a control group (v2, else v1) still allows; file cache that can be dropped counts as free. Infinite where there is no limit."""
    for limit, used, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            most = (group / limit).read_text().strip()
            if most == "max":
                continue
            stat = dict(line.split() for line in (group / used).with_name("memory.stat").read_text().splitlines())
            return float(most) - float((group / used).read_text()) + float(stat.get(cache, 0))
        except (OSError, ValueError):
            continue
    return float("inf")
