"""Writes train, validation and test as the hold-out gives them, and proves that nothing of one stands in another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import orjson
from tqdm import tqdm

from stages.common import children, rows, size
from stages.common.errors import UserError, run
from stages.common.files import adder, document, new_files, to_json
from stages.common.holdout import SPLITS
from stages.common.params import load
from stages.split import replay
from stages.split.columns import RUN_WORDS, Columns, columns, joined, look
from stages.split.draw import replayed
from stages.split.meeting import crossing
from stages.split.partition import COMMON, TRAIN, Leak, common_runs, partition
from stages.split.proof import ZERO, Proof
from stages.split.rejects import leaked, over_limit
from stages.split.shares import counts, told
from stages.split.similarity import Sets, rarest_first
from stages.split.training import chosen

FILTERED, REJECTS, METRICS = "data/filtered/chats.jsonl", "data/splits/rejects.jsonl", "metrics/split.json"


def main() -> None:
    children.end_with_caller()
    params = load("split")
    holdout = {name: params[f"holdout.{name}"] for name in ("seed", "validation", "test")}
    parts = rows.pieces(FILTERED)
    looked = rows.over(parts, partial(look, **holdout))
    own = joined([columns([], **holdout), *tqdm(looked, "split", len(parts), unit=" pieces", delay=3)])
    plain = plain_chats(own, params)
    found, sets = may_meet(joined([own, columns([(0, 0, chat) for chat in plain], **holdout)]) if plain else own)
    with lines_of(found, plain) as line:
        common, near = common_runs(found, lambda number: orjson.loads(line(number))), params["filter.near_duplicate"]
        leaks = partition(found, sets, common, near)
        left = np.isin(np.arange(len(found)), list(leaks), invert=True)
        kept, over = chosen(found, len(own), left, holdout["seed"], params["split.train_limit"], params["split.replay_share"])
        sizes = {name: int((kept & (found.home == number)).sum()) for number, name in enumerate(SPLITS)}
        if empty := [name for name, count in sizes.items() if not count]:
            raise UserError(f"no chat falls to {', '.join(empty)} of {len(own)}: more gold chats, or other holdout.* shares in params.yaml")
        proof = proved(Proof(found, kept, sets, common, near), found, line)
        replays = int(kept[len(own) :].sum())
        held_out = counts(own, kept[: len(own)], holdout["validation"], holdout["test"])
        figures = {
            "in": len(own) + replays + sum(number >= len(own) for number in leaks),
            **sizes,
            "train_synthetic": int((kept & found.synthetic).sum()),
            "train_replay": replays,
            "rejected": len(leaks) + int(over.sum()),
            "size_class": size.number(sizes["train"] - replays),
            **held_out,
            **proof,
        }
        with new_files(*(f"data/splits/{name}.jsonl" for name in SPLITS), REJECTS, METRICS) as (*splits, rejects, metrics):
            write(found, kept, line, list(map(adder, splits)))
            write_rejects(found, leaks, over, line, common, params, adder(rejects))
            metrics.write(document(figures))
    training = sizes["train"] - replays
    print(f"split: {training} training chats: {size.size_class(training)}; {size.ADVICE}")
    for sentence in [*told(own.characters, held_out), *told_of_common(len(common)), *short_of_plain(replays, training, params["split.replay_share"])]:
        print(f"split: {sentence}")


def may_meet(found: Columns) -> tuple[Columns, Sets]:
    """(the columns without what stands in one split alone, the sets of shingles)."""
    openings, replies, runs, shingles = (crossing(column, found.home) for column in (found.openings, found.replies, found.runs, found.shingles))
    sets = rarest_first(shingles, found.shingles.lengths)
    return replace(found, openings=openings, replies=replies, runs=runs, shingles=shingles), sets


def proved(proof: Proof, found: Columns, line: Callable[[int], bytes]) -> dict[str, float]:
    """The figures of the proof. Raises UserError with a pair of chats where they are not what they must be."""
    figures = proof.figures()
    if any(figures[name] for name in ZERO):
        name, one, other = proof.culprits()
        pair = " and ".join(f"{SPLITS[found.home[number]]} chat {orjson.loads(line(number))['id']}" for number in (one, other))
        raise UserError(f"the splits leak, by {name} {figures[name]:g}: {pair}")
    return figures


def plain_chats(own: Columns, params: Mapping) -> list[dict]:
    """Twice as many plain chats as can be needed, in the order in which they are drawn: some may leak."""
    share = params["split.replay_share"]
    return replay.candidates(params["holdout.seed"], 2 * replayed(int((own.home == TRAIN).sum()), share) + 1) if share else []


def told_of_common(runs: int) -> list[str]:
    """A sentence where something that training and held-out chats share was let be."""
    return [f"{runs} runs of {RUN_WORDS} words of held-out chats count for nothing: more than {COMMON} groups of training chats have them"] if runs else []


def short_of_plain(replays: int, training: int, share: float) -> list[str]:
    """A sentence where there are fewer plain chats than were asked for."""
    wanted = replayed(training, share)
    return [f"{replays} plain chats for the {wanted} that split.replay_share asks for: put more into {replay.FOLDER}"] if replays < wanted else []


@contextmanager
def lines_of(found: Columns, plain: Sequence[dict]) -> Iterator[Callable[[int], bytes]]:
    """Yield a function that gives the line of a chat by its number; the plain ones come last."""
    first = len(found) - len(plain)
    with open(FILTERED, "rb") as file:

        def line(number: int) -> bytes:
            if number >= first:
                return to_json(plain[number - first])
            start = int(found.start[number])
            file.seek(start)
            return file.read(int(found.end[number]) - start).strip()

        yield line


def write(found: Columns, kept: np.ndarray, line: Callable[[int], bytes], add: Sequence[Callable[[bytes], None]]) -> None:
    """Add each chat that is kept to its split, in the order in which they came."""
    for number in np.flatnonzero(kept).tolist():
        add[found.home[number]](line(number))


def write_rejects(
    found: Columns, leaks: Mapping[int, Leak], over: np.ndarray, line: Callable[[int], bytes], common: np.ndarray, params: Mapping, add: Callable[[dict], None]
) -> None:
    """Add each chat that is not, with its reason, in the order in which they came."""

    def chat(number: int) -> dict:
        return orjson.loads(line(number))

    for number in sorted([*leaks, *np.flatnonzero(over).tolist()]):
        if leak := leaks.get(number):
            home, held = SPLITS[found.home[number]], SPLITS[found.home[leak.held]]
            add(leaked(chat(number), home, leak, chat(leak.held), held, params["filter.near_duplicate"], common))
        else:
            add(over_limit(chat(number), params["split.train_limit"]))


if __name__ == "__main__":
    run(main)
