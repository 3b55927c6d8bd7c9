"""The environments of peers: each has a lock beside this file and is built once, in this machine's state folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from stages.common import environments
from stages.common.errors import UserError
from stages.common.files import sha256
from tools.setup import pinned, torch_commands

LOCKS = Path(__file__).resolve().parent


def python(name: str) -> str:
    """The interpreter of an environment with what benchmarks/NAME.txt pins, built where the one at hand has other packages. Raises UserError where pip fails."""
    lock, folder = LOCKS / f"{name}.txt", environments.state("peers") / name
    stamp, interpreter = folder / "built", str(folder / "bin" / "python")
    with environments.locked(folder):
        if not stamp.exists() or stamp.read_text() != sha256(lock):
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            if version := pinned(lock).get("torch"):
                any(
                    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
                    for command in torch_commands(folder, version, cpu=True)
                )
            pip = [interpreter, "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(lock)]
            if subprocess.run(pip, stdin=subprocess.DEVNULL).returncode:
                raise UserError(f"pip could not install {lock.name} (its message stands above)")
            stamp.write_text(sha256(lock))
    return interpreter
