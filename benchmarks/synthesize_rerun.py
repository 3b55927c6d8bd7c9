"""`python -m benchmarks.synthesize_rerun [--chats N]`: seconds that stage synthesize takes when all its N (10,000) chats are paid for.

The first run asks a server on loopback, which answers each request with a chat of its own; the second one finds all answers in the store. Both run as DVC
starts them, in a folder of their own with this project's gold, prompts and parameters.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ruamel.yaml import YAML

from stages.common.errors import UserError, run
from tests.common.stub_endpoint import Endpoint, Reply, completion

ROOT = Path(__file__).resolve().parents[1]


def chat(body: dict, _: int) -> Reply:
    """Three exchanges of about 50 words a reply, no two alike."""
    number, said = body["seed"], "I was at my table with the lamp turned low, and read what the rain had left of the letter. " * 3
    exchange = f"Visitor: What did you find in letter {number}?\nSherlock Holmes: {said}It names house {number}."
    return Reply(completion("\n".join([exchange] * 3), "stop", 900, 250))


def lay_out(folder: Path, url: str, chats: int) -> None:
    """A project whose teacher is the server at `url`, with its curated chats."""
    for part in ("data/characters", "data/prompts", "data/gold"):
        shutil.copytree(ROOT / part, folder / part)
    shutil.copy2(ROOT / "dvc.yaml", folder)
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["synthesize"] |= {"chats": chats, "base_url": url, "teacher": "stub", "concurrency": 64}
    yaml.dump(params, folder / "params.yaml")
    stage(folder, "curate")


def stage(folder: Path, name: str) -> tuple[float, float]:
    """(seconds, CPU seconds) of one stage."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DRAMATIS_STATE": str(folder / "state"), "OPENAI_API_KEY": "none"}
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", f"stages.{name}"], cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise UserError(f"stage {name} ended with status {os.waitstatus_to_exitcode(status)}")
    return time.monotonic() - began, used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chats", type=int, default=10_000)
    chats = parser.parse_args().chats
    with tempfile.TemporaryDirectory() as name, Endpoint(chat) as server:
        folder = Path(name)
        lay_out(folder, server.url, chats)
        for label in ("asked", "all in the store", "all in the store"):
            seconds, cpu = stage(folder, "synthesize")
            print(f"{chats:,} chats, {label}: {seconds:.1f} s, {cpu:.1f} s of CPU", flush=True)
        written = json.loads((folder / "metrics/synthesize.json").read_text())["chats"]
        if written != chats or len(server.requests) != chats:
            raise UserError(f"{written} of {chats} chats, {len(server.requests)} requests")


if __name__ == "__main__":
    run(main)
