"""What stage filter makes of a file of chats, on one core, of what datatrove does: repetition and near-duplicates, and nothing else.

Run by `benchmarks.filter_scale --peer` as `python -m benchmarks.filter_alone FOLDER`, in a project's folder: reads data/curated/chats.jsonl, writes
FOLDER/alone.json, the seconds of each step, and FOLDER/dropped.json, the chats dropped as near-duplicates by number from 0. One core, though the stage takes all.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before numpy and rensa count the cores

import numpy as np  # noqa: E402

from stages.common import rows  # noqa: E402
from stages.common.params import load  # noqa: E402
from stages.common.shingles import Shingles, shingles  # noqa: E402
from stages.filter.__main__ import INCOMING, terms  # noqa: E402
from stages.filter.near_duplicates import bands, twins  # noqa: E402
from stages.filter.rules import RULES, judge  # noqa: E402
from stages.filter.talk import Talk  # noqa: E402

REPETITION = frozenset(name for name in RULES if name.startswith("repetition"))


def main() -> None:
    folder, params = Path(sys.argv[1]), load("filter")
    by, off = terms(params), frozenset(RULES) - REPETITION
    seconds = dict.fromkeys(("read", "repetition", "signatures", "twins"), 0.0)
    columns, banded = [], []

    def lap(name: str, began: float) -> float:
        now = time.monotonic()
        seconds[name] += now - began
        return now

    for piece in rows.pieces(INCOMING[0]):
        at = time.monotonic()
        talks = [Talk(chat, by.roles[chat["character"]]) for _, _, chat in rows.read(piece)]
        words = [[word for reply in talk.reply_words for word in reply] for talk in talks]
        at = lap("read", at)
        for talk in talks:
            judge(talk, by.limits, off)
        at = lap("repetition", at)
        columns.append(shingles(words))
        banded.append(bands(columns[-1], params["filter.near_duplicate"]))
        lap("signatures", at)
    at = time.monotonic()
    starts = np.concatenate([[0], np.cumsum(np.concatenate([np.diff(column.starts) for column in columns]))])
    whole = Shingles(np.concatenate([column.hashes for column in columns]), starts)
    dropped = twins(np.concatenate(banded), np.arange(len(starts) - 1), params["filter.near_duplicate"], whole)
    lap("twins", at)
    (folder / "alone.json").write_text(json.dumps(seconds))
    (folder / "dropped.json").write_text(json.dumps(sorted(dropped)))


if __name__ == "__main__":
    main()
