"""`python -m benchmarks.filter_scale [--chats N] [--peer] [--keep FOLDER]`: stages filter and split on N made-up chats, of which 30 % are near-duplicates.

Prints seconds, memory and chats a second of both stages, and recall and precision of the planted duplicates (benchmarks/planted.py). With --peer also what
datatrove takes on one core for the same chats: its Gopher repetition filter and its MinHash deduplication, by trigrams and with bands as ours, hence of the
same recall. Its environment is built once, in this machine's state folder. The stages run as DVC starts them, in a folder of their own with this project's code,
cards and parameters. Bounds: 100,000 chats in 45 s and 2 GB on two cores; 1,000,000 in 11 times that and 8 GB; recall 0.98, precision 0.99; 5 times the peer's
speed per core.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import orjson
from ruamel.yaml import YAML

from benchmarks import peer_environments, planted, process_tree
from benchmarks.planted import CHARACTER, EXACT, MISS, NEAR, ORIGINAL, Plan
from benchmarks.process_tree import Cost
from stages.common import characters
from stages.common.errors import UserError, run
from stages.common.shingles import WORDS
from stages.filter.near_duplicates import shape

ROOT = Path(__file__).resolve().parents[1]
THRESHOLD = 0.8
BLOCK = 2_000  # chats that a process makes at once
KINDS = {ORIGINAL: "original", EXACT: "exact", NEAR: "near", MISS: "miss"}
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def make_project(folder: Path) -> None:
    """This project's code, schemas, cards and pipeline, with one character and no data yet."""
    for part in ("stages", "schemas", "benchmarks"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    written = shutil.ignore_patterns("raw", "curated", "synthetic", "filtered", "splits", "answers")  # others' data and what stages write
    shutil.copytree(ROOT / "data", folder / "data", ignore=written)
    shutil.copy2(ROOT / "dvc.yaml", folder)
    (folder / "models" / "base").mkdir(parents=True)
    for name in TOKENIZER:
        if not (file := ROOT / "models" / "base" / name).exists():
            raise UserError(f"models/base/{name}: no such file; chats are counted in the base model's tokens, and `dvc repro base` brings it")
        shutil.copy2(file, folder / "models" / "base")
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["characters"] = [CHARACTER]
    params["filter"]["near_duplicate"] = THRESHOLD
    yaml.dump(params, folder / "params.yaml")


def make_block(plan: Plan, system: str, numbers: range) -> tuple[bytes, list[float]]:
    """(the lines of these chats, the Jaccard of each with its original: 1 for an original)."""
    lines = b"".join(orjson.dumps(planted.record(plan, number, system), option=orjson.OPT_APPEND_NEWLINE) for number in numbers)
    return lines, [1.0 if plan.original[n] == n else planted.similarity(plan, n, int(plan.original[n])) for n in numbers]


def make_chats(folder: Path, plan: Plan) -> np.ndarray:
    """Write data/curated/chats.jsonl and the truth beside (truth.tsv); the Jaccard of each chat with its original."""
    planted.vocabulary()  # before the fork
    card = characters.read(ROOT / "data" / "characters" / f"{CHARACTER}.json")
    work = partial(make_block, plan, characters.system_prompt(card, "the visitor"))
    blocks = [range(first, min(first + BLOCK, len(plan))) for first in range(0, len(plan), BLOCK)]
    for name in ("curated", "synthetic"):
        (folder / "data" / name).mkdir()
    (folder / "data" / "synthetic" / "chats.jsonl").touch()
    alike: list[float] = []
    with ProcessPoolExecutor() as pool, open(folder / "data" / "curated" / "chats.jsonl", "wb") as file:
        for few in range(0, len(blocks), 64):  # so that no more of them wait than the memory holds
            for lines, found in pool.map(work, blocks[few : few + 64]):
                file.write(lines)
                alike += found
    with open(folder / "truth.tsv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, delimiter="\t")
        table.writerow(("line", "kind", "line_of_original", "jaccard"))
        for number in np.flatnonzero(plan.kind != ORIGINAL).tolist():
            table.writerow((number + 1, KINDS[int(plan.kind[number])], plan.original[number] + 1, f"{alike[number]:.6f}"))
    return np.array(alike)


@dataclass(frozen=True)
class Score:
    """How well duplicates were found."""

    pairs: int
    """Planted pairs, a copy and its original."""
    recall: float
    """Share of them of which not both were kept."""
    dropped: int
    precision: float
    """Share of the dropped that have a Jaccard of THRESHOLD or more with a chat that was kept."""

    def __str__(self) -> str:
        return f"recall {self.recall:.5f} of {self.pairs:,} planted pairs, precision {self.precision:.5f} of {self.dropped:,} dropped"


def score(plan: Plan, alike: np.ndarray, dropped: np.ndarray, gone: np.ndarray) -> Score:
    """Recall and precision; `dropped` and `gone` are one boolean a chat: dropped as a duplicate, dropped for another reason.

    A pair with a chat that is gone counts neither way, as nobody had to choose.
    """
    pairs = np.flatnonzero((plan.kind == EXACT) | (plan.kind == NEAR))
    pairs = pairs[~gone[pairs] & ~gone[plan.original[pairs]]]
    found = dropped[pairs] | dropped[plan.original[pairs]]
    right = 0
    for original, made in planted.families(plan):
        family = [original, *made]
        kept = [number for number in family if not dropped[number] and not gone[number]]
        right += sum(any(similarity(plan, alike, number, other) >= THRESHOLD for other in kept) for number in family if dropped[number])
    count = int(np.count_nonzero(dropped))
    return Score(len(pairs), float(found.mean()) if len(pairs) else 1.0, count, right / count if count else 1.0)


def similarity(plan: Plan, alike: np.ndarray, one: int, other: int) -> float:
    """The Jaccard of two chats of a family; that of a copy with its original is known."""
    if other in (one, plan.original[one]):
        return float(alike[one])
    return float(alike[other]) if plan.original[other] == one else planted.similarity(plan, one, other)


def rejects(folder: Path, chats: int) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """(dropped as a duplicate, dropped by another rule, how many by each rule), the first two one boolean a chat."""
    dropped, gone, by_rule = np.zeros(chats, bool), np.zeros(chats, bool), {}
    with open(folder / "data" / "filtered" / "rejects.jsonl", "rb") as file:
        for line in file:
            reject = orjson.loads(line)
            (dropped if reject["rule"].startswith("duplicate.") else gone)[reject["chat"]["source"]["line"] - 1] = True
            by_rule[reject["rule"]] = by_rule.get(reject["rule"], 0) + 1
    return dropped, gone, by_rule


def told(name: str, cost: Cost, chats: int) -> str:
    return f"{name}: {cost.seconds:.1f} s ({cost.core_seconds:.1f} core-seconds), {cost.mib:,.0f} MiB, {chats / cost.seconds:,.0f} chats/s"


def measure_ours(folder: Path, plan: Plan, alike: np.ndarray) -> Cost:
    """Run and print both stages; what they took together."""
    costs = []
    for stage in ("filter", "split"):
        costs.append(process_tree.measure([sys.executable, "-m", f"stages.{stage}"], folder))
        print(told(stage, costs[-1], len(plan)), flush=True)
    both = Cost(sum(cost.seconds for cost in costs), sum(cost.core_seconds for cost in costs), max(cost.mib for cost in costs))
    print(told("together", both, len(plan)))
    dropped, gone, by_rule = rejects(folder, len(plan))
    print(f"ours: {score(plan, alike, dropped, gone)}")
    print(f"drops by rule: {', '.join(f'{rule} {count:,}' for rule, count in sorted(by_rule.items()))}", flush=True)
    return both


def texts(path: Path) -> Iterator[bytes]:
    """What the character says in each chat, a reply a line, as datatrove reads it."""
    with open(path, "rb") as file:
        for number, line in enumerate(file):
            said = "\n".join(turn["value"] for turn in orjson.loads(line)["conversations"] if turn["from"] == "gpt")
            yield orjson.dumps({"id": str(number), "text": said}, option=orjson.OPT_APPEND_NEWLINE)


def measure_peer(folder: Path, plan: Plan, alike: np.ndarray, ours: Cost) -> None:
    """Run and print what the peer does, and ours alone, one core each, and the ratios."""
    count, gone = len(plan), np.zeros(len(plan), bool)
    python, peer = peer_environments.python("datatrove"), folder / "peer"
    (peer / "texts").mkdir(parents=True)
    with open(peer / "texts" / "texts.jsonl", "wb") as file:
        file.writelines(texts(folder / "data" / "curated" / "chats.jsonl"))

    buckets, hashes = shape(THRESHOLD)
    print(f"datatrove: one core, runs of {WORDS} words, {buckets} buckets of {hashes} hashes, which is ours too", flush=True)
    settings = [str(number) for number in (WORDS, buckets, hashes)]
    cost = process_tree.measure([python, str(ROOT / "benchmarks" / "datatrove_peer.py"), str(peer), *settings], folder)
    seconds = json.loads((peer / "peer.json").read_text())
    rest = sum(seconds[step] for step in ("buckets", "cluster", "filter"))
    for name, took in (("Gopher repetition", seconds["gopher"]), ("MinHash signatures", seconds["signatures"]), ("rest of deduplication", rest)):
        print(f"  {name}: {took:.1f} s, {count / took:,.0f} texts/s")
    dropped = np.ones(count, bool)
    with open(peer / "kept" / "00000.jsonl", "rb") as file:
        dropped[[int(orjson.loads(line)["id"]) for line in file]] = False
    print(f"  {score(plan, alike, dropped, gone)}; {cost.mib:,.0f} MiB", flush=True)

    process_tree.measure([sys.executable, "-m", "benchmarks.filter_alone", str(peer)], folder)
    alone = json.loads((peer / "alone.json").read_text())
    dropped = np.zeros(count, bool)
    dropped[json.loads((peer / "dropped.json").read_text())] = True
    print(f"ours, one core, repetition and near-duplicates alone: {', '.join(f'{step} {took:.1f} s' for step, took in alone.items())}")
    print(f"  {score(plan, alike, dropped, gone)}")

    theirs, deduplication = sum(seconds.values()), seconds["signatures"] + rest
    cores = len(os.sched_getaffinity(0))
    print(
        f"per core, filter and split with all they do over datatrove's repetition and deduplication: {theirs / (ours.seconds * cores):.1f} times as fast by "
        f"seconds x {cores} cores, {cost.core_seconds / ours.core_seconds:.1f} times by core-seconds"
    )
    print(
        f"per core, our repetition and near-duplicates alone, reading included: {theirs / sum(alone.values()):.1f} times; "
        f"near-duplicates alone: {deduplication / (sum(alone.values()) - alone['repetition']):.1f} times"
    )


def measure(folder: Path, chats: int, peer: bool) -> None:
    """Make the chats in an empty folder, run, print."""
    plan = planted.plan(chats)
    make_project(folder)
    began = time.monotonic()
    alike = make_chats(folder, plan)
    took = time.monotonic() - began
    size = (folder / "data" / "curated" / "chats.jsonl").stat().st_size / 2**20
    print(
        f"{chats:,} chats ({size:,.0f} MiB), {', '.join(f'{np.count_nonzero(plan.kind == kind):,} {name}' for kind, name in KINDS.items())}; made in {took:.0f} s",
        flush=True,
    )
    ours = measure_ours(folder, plan, alike)
    if peer:
        measure_peer(folder, plan, alike, ours)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chats", type=int, default=100_000)
    parser.add_argument("--peer", action="store_true", help="datatrove on the same chats, one core: some 6 ms a chat")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="work in this folder, which must not be there yet, and leave it: chats, truth.tsv, what the stages wrote"
    )
    asked = parser.parse_args()
    if asked.keep:
        asked.keep.mkdir(parents=True)
        measure(asked.keep.resolve(), asked.chats, asked.peer)
    else:
        with tempfile.TemporaryDirectory() as name:
            measure(Path(name), asked.chats, asked.peer)


if __name__ == "__main__":
    run(main)
