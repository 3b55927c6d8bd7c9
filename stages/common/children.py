"""Child processes that never outlive the stage, whatever ends it: an error, Ctrl-C, SIGTERM, or a kill -9 of the stage, of DVC or of the guard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from stages.common import guard
from stages.common.errors import UserError

ROOT = Path(__file__).resolve().parents[2]

_graces: list[float] = []  # seconds that each child of now has to end in


def end_with_caller() -> None:
    """Watch whoever runs this stage (DVC, or a shell between it and DVC); when it is gone, end our children and ourselves.

    Called once at a stage's start. Also turns SIGTERM into an orderly exit and adopts orphans of a killed guard. A child has its own grace, whoever is gone:
    a notice to a whole machine ends DVC at once, and a training that could still be saved is not to be lost by that.
    """
    guard.adopt_orphans()
    signal.signal(signal.SIGTERM, _leave)
    # DVC starts a stage through `sh -c`, which may stay in between: then its parent is the one to watch.
    caller = os.getppid()
    if _orphaned(caller):
        sys.exit(137)
    watched = [caller]
    if _is_shell_command(caller) and not _is_shell(_parent(caller)):
        watched.append(_parent(caller))
    births = {pid: _birth(pid) for pid in watched}

    def watch() -> None:
        while all(_birth(pid) == born for pid, born in births.items()):
            time.sleep(guard.POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(max(_graces, default=0.0) + guard.GRACE_SECONDS)  # the main thread may hang where no signal reaches it
        guard.end_descendants(os.getpid())
        os._exit(137)

    threading.Thread(target=watch, daemon=True).start()


def _leave(number: int, frame: object) -> None:
    """An orderly exit, once: another SIGTERM does not cut short what the first one ends."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _birth(pid: int) -> str | None:
    """The start time of a living process (field 22 of /proc/PID/stat, proc(5)); None for one that is gone or a zombie."""
    fields = _stat(pid)
    return fields[19] if fields and fields[0] != "Z" else None


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 1


def _orphaned(caller: int) -> bool:
    """Whether whoever started us is gone already: its heir (init, or a subreaper) stands in another session."""
    try:
        return os.getsid(0) not in (os.getpid(), os.getsid(caller))
    except ProcessLookupError:
        return True


def _arguments(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return [b""]


def _is_shell(pid: int) -> bool:
    return _arguments(pid)[0].rpartition(b"/")[2].lstrip(b"-") in (b"sh", b"dash", b"bash", b"zsh", b"fish", b"ksh")


def _is_shell_command(pid: int) -> bool:
    return _is_shell(pid) and b"-c" in _arguments(pid)


@contextmanager
def child(
    command: list[str], environment: dict[str, str], output: IO | None = None, grace: float = guard.GRACE_SECONDS, lock: int | None = None
) -> Iterator[subprocess.Popen]:
    """Start `command` from the project's folder under a guard; when the block ends, however it ends, its whole tree is ended.

    `output` takes stdout and stderr; None leaves them on the terminal. The child stands in a session of its own, so that
    Ctrl-C reaches the stage first. It is asked to end, and killed after `grace` seconds; with more than the usual, whoever of
    its tree takes no notice of SIGTERM by itself goes on until then. `lock` is a file descriptor that the guard keeps open.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.common.guard", str(os.getpid()), str(grace), *command],
        env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        start_new_session=True,
        pass_fds=() if lock is None else (lock,),
    )
    _graces.append(grace)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(grace + 2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.returncode < 0:
            guard.end_descendants(os.getpid(), grace=0)  # a guard that was itself killed leaves its tree to us
        _graces.remove(grace)


def last_lines(path: Path, count: int = 25) -> str:
    """The end of a log, for an error message."""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])


def run(command: list[str], environment: dict[str, str], log: Path) -> None:
    """Run `command` to its end with its output in `log`. Raises UserError with its own error, else the log's end, where it fails.

    Until it has ended well the log bears this process's number: of two experiments at once neither writes over the other's, or is told the other's error.
    """
    own = log.with_name(f"{log.stem}-{os.getpid()}{log.suffix}")
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(own, "wb") as output, child(command, environment, output) as process:
        status = process.wait()
    if status != 0:
        said = [line for line in last_lines(own).splitlines() if line.startswith("error: ")]
        raise UserError(
            said[-1].removeprefix("error: ") if said else f"{' '.join(command[1:3])} ended with status {status}. The end of {own}:\n{last_lines(own)}"
        )
    own.replace(log)
