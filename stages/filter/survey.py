"""One look at every chat: what the rules say of it, and, in columns, what duplicates and balance ask of it later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b

import numpy as np

from stages.common import rows
from stages.common.errors import UserError
from stages.common.files import to_json
from stages.common.holdout import split_of
from stages.common.shingles import Shingles, shingles
from stages.filter.context import Context, fitted, too_long
from stages.filter.near_duplicates import bands
from stages.filter.rules import judge
from stages.filter.talk import Drop, Limits, Role, Talk

# Which of several chats that say the same stays: one that is measured with, before one that is trained on; then the one nearest to a human hand.
SPLITS = ("test", "validation", "train")
KINDS = ("gold", "log", "import", "book", "synthetic")


@dataclass(frozen=True)
class Terms:
    """What every chat is judged by: the roles by character, the limits, the rules that are left out, the hold-out's parameters, and (folder of the base
    model, tokens that a chat may have)."""

    roles: Mapping[str, Role]
    limits: Limits
    off: frozenset[str]
    holdout: tuple[int, float, float]
    context: tuple[str, int]


@dataclass
class Survey:
    """The chats of a piece, or of several joined, by number from 0; arrays have one entry a chat."""

    paths: list[str]
    path: np.ndarray
    """Number in `paths`."""
    start: np.ndarray
    end: np.ndarray
    """Bytes of the line in its file."""
    ids: list[str]
    characters: list[str]
    scenarios: list[str | None]
    split: np.ndarray
    """Number in SPLITS."""
    kind: np.ndarray
    """Number in KINDS."""
    words: np.ndarray
    """Of all replies."""
    replies: np.ndarray
    said: np.ndarray
    """64 bits of all turns in normal form: equal where two chats say the same."""
    shingles: Shingles
    bands: np.ndarray
    drops: dict[int, Drop]
    cut: dict[int, bytes]
    """The lines of chats that were cut to what the model can be trained on."""

    def __len__(self) -> int:
        return len(self.ids)


@cache
def context_of(folder: str, limit: int) -> Context:
    """The base model's context, opened once in each process."""
    return Context(folder, limit)


def survey(piece: rows.Piece, terms: Terms, near: float) -> Survey:
    """Look at the chats of a piece, of which those are to be found that are alike by `near` or more.

    Raises UserError for one that is no chat, of a character without a card, or of a kind that comes in later.
    """
    starts, ends, ids, characters, scenarios, splits, kinds, words, replies, said, texts = [], [], [], [], [], [], [], [], [], [], []
    drops: dict[int, Drop] = {}
    cut: dict[int, bytes] = {}
    context = context_of(*terms.context)
    read = list(rows.read(piece))
    fit = context.fit([chat["conversations"] for _, _, chat in read])
    for (start, end, chat), fits in zip(read, fit, strict=True):
        if chat["character"] not in terms.roles:
            raise UserError(f"{piece.path}: chat {chat['id']} is of {chat['character']}, who has no character card; cards: {', '.join(terms.roles)}")
        if chat["source"]["kind"] not in KINDS:
            raise UserError(f"{piece.path}: chat {chat['id']} is of source kind {chat['source']['kind']}; expected {', '.join(KINDS)}")
        if not fits:
            if shorter := fitted(chat, context):
                chat, cut[len(ids)] = shorter, to_json(shorter)
            else:
                drops[len(ids)] = too_long(chat, context)
        talk = Talk(chat, terms.roles[chat["character"]])
        drop = drops.get(len(ids)) or judge(talk, terms.limits, terms.off)
        if drop:
            drops[len(ids)] = drop
        starts.append(start)
        ends.append(end)
        ids.append(chat["id"])
        characters.append(chat["character"])
        scenarios.append(chat["source"].get("scenario"))
        splits.append(SPLITS.index(split_of(chat, *terms.holdout)))
        kinds.append(KINDS.index(chat["source"]["kind"]))
        words.append(sum(map(len, talk.reply_words)))
        replies.append(len(talk.replies))
        said.append(fingerprint(talk))
        texts.append([] if drop else [word for reply in talk.reply_words for word in reply])
    column = shingles(texts)
    return Survey(
        [piece.path], np.zeros(len(ids), np.uint8), np.array(starts, np.int64), np.array(ends, np.int64), ids, characters, scenarios,
        np.array(splits, np.uint8), np.array(kinds, np.uint8), np.array(words, np.int32), np.array(replies, np.int32),
        np.array(said, np.uint64), column, bands(column, near), drops, cut,
    )  # fmt: skip


def fingerprint(talk: Talk) -> int:
    """64 bits of what both say, without case, punctuation and spacing."""
    turns = (" ".join(words) for pair in zip(talk.asked_words, talk.reply_words, strict=True) for words in pair)
    return int.from_bytes(blake2b("\n".join(turns).encode(), digest_size=8).digest(), "big")


def joined(parts: list[Survey]) -> Survey:
    """One survey of the chats of all, in their order."""
    paths = list(dict.fromkeys(path for part in parts for path in part.paths))
    firsts = np.cumsum([0, *map(len, parts)]).tolist()

    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    def chain(name: str) -> list:
        return [value for part in parts for value in getattr(part, name)]

    lengths = np.concatenate([np.diff(part.shingles.starts) for part in parts])
    return Survey(
        paths, np.concatenate([np.full(len(part), paths.index(part.paths[0]), np.uint8) for part in parts]),
        column("start"), column("end"), chain("ids"), chain("characters"), chain("scenarios"), column("split"), column("kind"), column("words"), column("replies"),
        column("said"), Shingles(np.concatenate([part.shingles.hashes for part in parts]), np.concatenate([[0], np.cumsum(lengths)])), column("bands"),
        {first + number: drop for first, part in zip(firsts, parts, strict=False) for number, drop in part.drops.items()},
        {first + number: line for first, part in zip(firsts, parts, strict=False) for number, line in part.cut.items()},
    )  # fmt: skip


def best_first(found: Survey) -> np.ndarray:
    """The numbers of the chats that no rule has dropped, in the order in which one is kept before another; the id decides between equals, and then who was not cut."""
    left = np.array([number for number in range(len(found)) if number not in found.drops], np.int64)
    names = np.array([found.ids[number] for number in left.tolist()])
    cut = np.array([number in found.cut for number in left.tolist()], bool)
    order = np.lexsort((cut, names, -found.words[left], found.kind[left], found.split[left]))
    return left[order]
