"""`python -m tools.serve` as a person starts it, on the model of the end-to-end run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import openai
import psutil

from stages.evaluate import gate

PATIENCE = 300.0  # seconds for a start, on a machine where others work too


@dataclass
class Served:
    url: str
    key: str
    process: subprocess.Popen
    log: Path

    def client(self, key: str | None = None) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.key if key is None else key, max_retries=0, timeout=PATIENCE)

    def engine(self) -> list[psutil.Process]:
        """The guard, vLLM's server and the processes of its own."""
        return psutil.Process(self.process.pid).children(recursive=True)


@contextmanager
def serving(folder: Path, log: Path, *arguments: str) -> Iterator[Served]:
    """A server in `folder`, the failed bounds of the small run's gate forced by name."""
    forced = [word for bound in gate.read(folder / gate.FILE) if not bound.passed for word in ("--force", bound.metric)]
    key = "a-key-of-this-test-alone"
    environment = {**os.environ, "DRAMATIS_API_KEY": key, "PYTHONUNBUFFERED": "1"}
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tools.serve", "--port", "0", *forced, *arguments], cwd=folder, env=environment, stdout=output, stderr=output
        )
    try:
        started = time.monotonic()
        while not (ready := re.search(r", to \"Good morning.\": (.*)\n", text := log.read_text())):
            assert process.poll() is None and time.monotonic() - started < PATIENCE, text
            time.sleep(0.2)
        assert ready[1].strip(), text
        yield Served(re.search(r"http://127\.0\.0\.1:\d+", text)[0], key, process, log)
    finally:
        process.terminate()
        process.wait(60)
