"""`python -m benchmarks.curate_speed [--chats N ...]`: seconds and memory of stage curate on made-up exports of N chats.

Each chat has five exchanges of about 25 words a turn, as ShareGPT JSONL, of kind import. The stage runs as DVC starts it, in a folder of its own
with this project's code, card and parameters; memory is the stage's largest resident size.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ruamel.yaml import YAML

from stages.common.errors import UserError, run

ROOT = Path(__file__).resolve().parents[1]
CHARACTER = "sherlock-holmes"


def make_export(path: Path, chats: int) -> None:
    """Chats of words drawn at random, no two alike."""
    draw = random.Random(7)
    words = [f"w{'aeiou'[n % 5]}rd{n}" for n in range(5000)]
    with open(path, "w", encoding="utf-8") as file:
        for number in range(chats):
            said = [" ".join(draw.choices(words, k=24)) + f" {number}." for _ in range(10)]
            turns = [{"from": who, "value": text} for who, text in zip(["human", "gpt"] * 5, said, strict=True)]
            file.write(json.dumps({"conversations": turns}) + "\n")


def measure(chats: int) -> tuple[float, float, float]:
    """(seconds, MiB of memory, MiB of input) of one run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("stages", "schemas", "data/characters"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy2(ROOT / "dvc.yaml", folder)
        yaml = YAML()
        params = yaml.load(ROOT / "params.yaml")
        params["characters"] = [CHARACTER]
        params["curate"]["sources"] = [{"path": "data/raw/export.jsonl", "kind": "import", "license": "CC0-1.0", "character": CHARACTER}]
        yaml.dump(params, folder / "params.yaml")
        export = folder / "data" / "raw" / "export.jsonl"
        export.parent.mkdir()
        make_export(export, chats)
        began = time.monotonic()
        stage = subprocess.Popen([sys.executable, "-m", "stages.curate"], cwd=folder, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(stage.pid, 0)
        seconds = time.monotonic() - began
        kept = json.loads((folder / "metrics" / "curate.json").read_text())["kept"] if status == 0 else 0
        if kept != chats:
            raise UserError(f"curate kept {kept} of {chats} chats (status {status})")
        return seconds, used.ru_maxrss / 1024, export.stat().st_size / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chats", type=int, nargs="+", default=[100_000, 1_000_000])
    for chats in parser.parse_args().chats:
        seconds, memory, size = measure(chats)
        print(f"{chats:,} chats ({size:,.0f} MiB): {seconds:.1f} s, {chats / seconds:,.0f} chats/s, {memory:.0f} MiB of memory", flush=True)


if __name__ == "__main__":
    run(main)
