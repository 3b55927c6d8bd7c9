"""Where the other interpreters and this machine's state are, and what every child process may not do (telemetry, downloads)."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.common.errors import UserError

# Axolotl's, vLLM's, DVC's and the hub's reports home, each by its own switch.
SILENCE = {
    "AXOLOTL_DO_NOT_TRACK": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "WANDB_MODE": "disabled",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
}


def checkout() -> Path:
    """The folder beside which the running `.venv` lies: the main checkout, also in the copies of `dvc exp run --temp`."""
    return Path(sys.prefix).parent


def python(name: str) -> str:
    """The interpreter of the environment `name` ("train" or "serve").

    DRAMATIS_TRAIN_PYTHON or DRAMATIS_SERVE_PYTHON wins, so that a container can name its own; then `.venv-NAME` beside the
    running `.venv`. Raises UserError where there is none.
    """
    variable = f"DRAMATIS_{name.upper()}_PYTHON"
    chosen = Path(os.environ.get(variable) or checkout() / f".venv-{name}" / "bin" / "python")
    if not chosen.exists():
        raise UserError(f"no interpreter for '{name}' at {chosen}: run `make setup`, or set {variable}")
    return str(chosen)


def has_gpu() -> bool:
    """Whether `nvidia-smi` answers: then the CUDA environments are built and used."""
    try:
        return subprocess.run(["nvidia-smi", "-L"], capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def state(*parts: str) -> Path:
    """A folder in this machine's own state (`.dramatis/` beside `.venv`, or DRAMATIS_STATE), made if missing."""
    folder = Path(os.environ.get("DRAMATIS_STATE") or checkout() / ".dramatis").joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(key: Path, wait: bool = True) -> Iterator[int | None]:
    """Hold the lock of one thing in the machine's state (KEY.lock beside it); others that want it wait.

    Yields the lock's file descriptor: a child that inherits it holds the lock too, until it ends. Where somebody else has it and `wait` is false, yields None.
    """
    with open(key.with_name(f"{key.name}.lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield None
        else:
            yield lock.fileno()


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """An empty folder of this run's own in the machine's state, removed when the block ends; before it go those of runs that were killed."""
    every = state("scratch")
    with locked(every):  # nobody sees a folder that its run does not hold yet
        for left in every.iterdir():
            if (held := _hold(left)) is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(held)
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=every))
        mine = _hold(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(mine)


def _hold(folder: Path) -> int | None:
    """A descriptor that locks a folder until it is closed or its process is killed; None where another process holds it."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return None
    return held


def silent(**extra: str) -> dict[str, str]:
    """The environment of a child process: this one's, without telemetry, offline where nobody said otherwise, plus `extra`.

    `HF_HUB_OFFLINE=0` in the caller's environment lets a hub model be fetched. Bytecode is written even where the caller
    forbids it: vLLM and Axolotl import tens of thousands of lines, which would be compiled again at every start.
    """
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    caches = {name: str(state("cache", name)) for name in ("HF_DATASETS_CACHE", "VLLM_CACHE_ROOT")}  # of this project, not of the user's home
    return {"HF_HUB_OFFLINE": "1", **caches, **inherited, **SILENCE, **extra}
