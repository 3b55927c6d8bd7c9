"""The page's server as a person starts it, `python -m tools.chat --web`, and its address."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 60.0


@dataclass
class Served:
    """`address` is the page's, http://127.0.0.1:PORT/TOKEN/."""

    address: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return int(re.search(r":(\d+)/", self.address)[1])

    @property
    def path(self) -> str:
        return self.address.partition(f":{self.port}")[2]


@contextmanager
def serving(*arguments: str, folder: Path | None = None) -> Iterator[Served]:
    """Start it and wait until it says where it is; Ctrl-C, which must end it well, ends it."""
    command = [sys.executable, "-m", "tools.chat", "--web", *arguments]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"Open (http://127\.0\.0\.1:\d+/[\w-]{32}/) in a browser", line):
                break
        else:
            raise AssertionError("".join(said))
        yield Served(found[1], process)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        rest = process.stdout.read()
        assert "Traceback" not in rest, rest
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
