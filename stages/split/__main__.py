"""Writes train, validation and test as the hold-out gives them, and proves that nothing of one stands in another."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import orjson
from tqdm import tqdm

from stages.common import children, rows, size
from stages.common.errors import UserError, run
from stages.common.files import new_lines, to_json, write_json
from stages.common.holdout import SPLITS
from stages.common.params import load
from stages.split import replay
from stages.split.columns import Columns, columns, joined, look
from stages.split.draw import replayed
from stages.split.meeting import crossing
from stages.split.partition import TRAIN, Leak, common_runs, partition
from stages.split.proof import ZERO, Proof
from stages.split.rejects import leaked, over_limit
from stages.split.shares import counts, told
from stages.split.similarity import Sets, rarest_first
from stages.split.training import chosen

FILTERED = "data/filtered/chats.jsonl"


def main() -> None:
    children.end_with_caller()
    params = load("split")
    holdout = {name: params[f"holdout.{name}"] for name in ("seed", "validation", "test")}
    parts = rows.pieces(FILTERED)
    looked = rows.over(parts, partial(look, **holdout))
    own = joined([columns([], **holdout), *tqdm(looked, "split", len(parts), unit=" pieces", delay=3)])
    plain = plain_chats(own, params)
    found, sets = may_meet(joined([own, columns([(0, 0, chat) for chat in plain], **holdout)]) if plain else own)
    common, near = common_runs(found), params["filter.near_duplicate"]
    leaks = partition(found, sets, common, near)
    left = np.isin(np.arange(len(found)), list(leaks), invert=True)
    kept, over = chosen(found, len(own), left, holdout["seed"], params["split.train_limit"], params["split.replay_share"])
    sizes = {name: int((kept & (found.home == number)).sum()) for number, name in enumerate(SPLITS)}
    if empty := [name for name, count in sizes.items() if not count]:
        raise UserError(f"no chat falls to {', '.join(empty)} of {len(own)}: more gold chats, or other holdout.* shares in params.yaml")
    proof = Proof(found, kept, sets, common, near)
    figures = proof.figures()
    with lines_of(found, plain) as line:
        if any(figures[name] for name in ZERO):
            name, one, other = proof.culprits()
            pair = " and ".join(f"{SPLITS[found.home[number]]} chat {orjson.loads(line(number))['id']}" for number in (one, other))
            raise UserError(f"the splits leak, by {name} {figures[name]:g}: {pair}")
        write(found, kept, leaks, over, line, params)
    replays = int(kept[len(own) :].sum())
    training = sizes["train"] - replays
    held_out = counts(own, kept[: len(own)], holdout["validation"], holdout["test"])
    write_json(
        "metrics/split.json",
        {
            "in": len(own) + replays + sum(number >= len(own) for number in leaks),
            **sizes,
            "train_synthetic": int((kept & found.synthetic).sum()),
            "train_replay": replays,
            "rejected": len(leaks) + int(over.sum()),
            "size_class": size.number(training),
            **held_out,
            **figures,
        },
    )
    print(f"split: {training} training chats: {size.size_class(training)}; {size.ADVICE}")
    for sentence in [*told(own.characters, held_out), *short_of_plain(replays, training, params["split.replay_share"])]:
        print(f"split: {sentence}")


def may_meet(found: Columns) -> tuple[Columns, Sets]:
    """(the columns without what stands in one split alone, the sets of shingles)."""
    openings, replies, runs, shingles = (crossing(column, found.home) for column in (found.openings, found.replies, found.runs, found.shingles))
    sets = rarest_first(shingles, found.shingles.lengths)
    return replace(found, openings=openings, replies=replies, runs=runs, shingles=shingles), sets


def plain_chats(own: Columns, params: Mapping) -> list[dict]:
    """As many plain chats as can be needed at most, in the order in which they are drawn."""
    share = params["split.replay_share"]
    return replay.candidates(params["holdout.seed"], replayed(int((own.home == TRAIN).sum()), share)) if share else []


def short_of_plain(replays: int, training: int, share: float) -> list[str]:
    """A sentence where there are fewer plain chats than were asked for."""
    wanted = replayed(training, share)
    return [f"{replays} plain chats for the {wanted} that split.replay_share asks for: put more into {replay.FOLDER}"] if replays < wanted else []


@contextmanager
def lines_of(found: Columns, plain: Sequence[dict]) -> Iterator[Callable[[int], bytes]]:
    """Yield a function that gives the line of a chat by its number; the plain ones come last."""
    first = len(found) - len(plain)
    with open(FILTERED, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        yield lambda number: text[found.start[number] : found.end[number]].strip() if number < first else to_json(plain[number - first])


def write(found: Columns, kept: np.ndarray, leaks: Mapping[int, Leak], over: np.ndarray, line: Callable[[int], bytes], params: Mapping) -> None:
    """Write the three splits and the rejects, each in the order in which its chats came."""

    def chat(number: int) -> dict:
        return orjson.loads(line(number))

    names = [f"data/splits/{name}.jsonl" for name in SPLITS]
    with new_lines(names[0]) as train, new_lines(names[1]) as validation, new_lines(names[2]) as test, new_lines("data/splits/rejects.jsonl") as reject:
        add = (train, validation, test)
        for number, home in enumerate(found.home.tolist()):
            if kept[number]:
                add[home](line(number))
            elif leak := leaks.get(number):
                reject(leaked(chat(number), SPLITS[home], leak, chat(leak.held), SPLITS[found.home[leak.held]], params["filter.near_duplicate"]))
            elif over[number]:
                reject(over_limit(chat(number), params["split.train_limit"]))


if __name__ == "__main__":
    run(main)
