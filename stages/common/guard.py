"""`python -m stages.common.guard PARENT_PID GRACE COMMAND...`: runs a command and ends all its descendants when it, or its parent, ends.

vLLM and accelerate start processes of their own, which outlive a `kill -9` of whoever started them. The guard adopts orphans of
its command (PR_SET_CHILD_SUBREAPER, Linux >= 3.4), watches the process that asked for it, and ends the whole tree when that is gone:
by SIGTERM, and after GRACE seconds by SIGKILL.
Standard library only: any interpreter can run it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
POLL_SECONDS = 0.25
GRACE_SECONDS = 4.0


def adopt_orphans() -> None:
    """Make this process the new parent of its descendants' orphans, so that none escapes."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent is gone: even where stage and guard are killed in one moment, nobody trains on."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _parents() -> dict[int, int]:
    """Every process's parent, from /proc."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    after_name = file.read().rpartition(")")[2].split()
            except OSError:  # it ended while we were looking
                continue
            if after_name[0] != "Z":
                found[int(name)] = int(after_name[1])
    return found


def descendants(root: int) -> list[int]:
    """The living processes below `root`, nearest first."""
    parents = _parents()
    found, level = [], [root]
    while level:
        level = sorted(pid for pid, parent in parents.items() if parent in level)
        found += level
    return found


def end_descendants(root: int, grace: float = GRACE_SECONDS) -> None:
    """Ask every process below `root` to stop (SIGTERM), wait up to `grace` seconds, kill the rest."""
    deadline = time.monotonic() + grace
    asked: set[int] = set()
    while (alive := descendants(root)) and time.monotonic() < deadline:
        for pid in set(alive) - asked:
            _signal(pid, signal.SIGTERM)
            asked.add(pid)
        time.sleep(0.05)
    while alive := descendants(root):
        for pid in alive:
            _signal(pid, signal.SIGKILL)
        time.sleep(0.05)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def main() -> int:
    parent, grace, command = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]

    def prepare() -> None:
        end_with_parent()
        if grace > GRACE_SECONDS:  # a launcher that ends at once would leave its workers no time
            signal.signal(signal.SIGTERM, signal.SIG_IGN)

    adopt_orphans()
    stop = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda n, _frame: stop.append(n))
    child = subprocess.Popen(command, preexec_fn=prepare)
    # Popen.poll reaps the command; orphans that we adopted are reaped in end_descendants.
    while child.poll() is None and not stop and os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    end_descendants(os.getpid(), grace)
    if child.returncode is None:
        return 128 + (stop[0] if stop else signal.SIGKILL)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


if __name__ == "__main__":
    sys.exit(main())
