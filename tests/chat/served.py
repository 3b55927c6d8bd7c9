"""A project to chat in, and the page's server as a person starts it there, `python -m tools.chat --web`, with its address."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.project import ROOT, Project

PATIENCE = 60.0


def lay_out(folder: Path) -> Project:
    """A project with the tools and one chat written by hand."""
    project = Project(folder)
    shutil.copytree(ROOT / "tools", project.folder / "tools")
    project.write("data/gold/sherlock-holmes.jsonl", '{"conversations": [{"from": "human", "value": "By hand?"}, {"from": "gpt", "value": "By hand."}]}\n')
    (project.folder / "data/raw").mkdir()
    return project


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
def serving(*arguments: str, folder: Path | None = None, state: Path | None = None) -> Iterator[Served]:
    """Start it and wait until it says where it is; Ctrl-C, which must end it well, ends it."""
    command = [sys.executable, "-m", "tools.chat", "--web", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"} | ({"DRAMATIS_STATE": str(state)} if state else {})
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
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
