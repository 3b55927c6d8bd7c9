"""What split and its proof ask of every chat, in columns: a million chats fit into memory as hashes, not as words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from stages.common import rows, shingles
from stages.common.chats import normal_words, spoken
from stages.common.holdout import SPLITS, group, split_of

RUN_WORDS = 13  # words in a run that no two splits may share: GPT-3's measure of contamination (Brown et al. 2020, appendix C)
GREETING = 3  # words; a shorter opening is anybody's


@dataclass(frozen=True)
class Ragged:
    """Numbers of many chats in one column: chat n's are `values[starts[n] : starts[n + 1]]`."""

    values: np.ndarray
    starts: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """How many each chat has."""
        return np.diff(self.starts)

    def of(self, number: int) -> np.ndarray:
        """Those of one chat."""
        return self.values[self.starts[number] : self.starts[number + 1]]

    def owners(self, places: np.ndarray) -> np.ndarray:
        """The chats to which places of `values` belong."""
        return np.searchsorted(self.starts, places, side="right") - 1


@dataclass(frozen=True)
class Columns:
    """Chats by number from 0; arrays have one entry a chat, hashes have 64 bits, those of shingles 32."""

    start: np.ndarray
    end: np.ndarray
    """Bytes of the line in its file."""
    id: np.ndarray
    home: np.ndarray
    """Number in SPLITS of the split that the hold-out gives the chat to."""
    synthetic: np.ndarray
    group: np.ndarray
    """Hash of character, kind of source and group: what is drawn as one."""
    characters: list[str]
    character: np.ndarray
    """Number in `characters`."""
    openings: Ragged
    """The first turn, in normal form."""
    replies: Ragged
    """All turns of the character, in normal form."""
    runs: Ragged
    """RUN_WORDS words in a row, of what `passages` gives."""
    shingles: Ragged
    """Word trigrams of what the character says, each once."""

    def __len__(self) -> int:
        return len(self.id)


def look(piece: rows.Piece, seed: int, validation: float, test: float) -> Columns:
    """The columns of the chats of a piece. Raises UserError where a line is no chat."""
    return columns(rows.read(piece), seed, validation, test)


def columns(chats: Iterable[tuple[int, int, dict]], seed: int, validation: float, test: float) -> Columns:
    """The columns of chats, each with the bytes at which its line starts and ends."""
    names: dict[str, int] = {}
    starts, ends, ids, homes, written, groups, characters = [], [], [], [], [], [], []
    openings, opening_counts, replies, turns, turn_counts = [], [], [], [], []
    for start, end, chat in chats:
        words = [normal_words(turn["value"]) for turn in chat["conversations"] if turn["from"] != "system"]
        starts.append(start)
        ends.append(end)
        ids.append(hashed(chat["id"]))
        homes.append(SPLITS.index(split_of(chat, seed, validation, test)))
        written.append(chat["source"]["kind"] == "synthetic")
        groups.append(hashed("\n".join([chat["character"], chat["source"]["kind"], group(chat)])))
        characters.append(names.setdefault(chat["character"], len(names)))
        # Chats without a group of their own are drawn by their opening, so that it never stands in two splits. Of a user's logs that
        # cannot be said: every second one begins with a greeting, and no reply is learnt by heart from that.
        opens = "group" not in chat["source"] or len(words[0]) >= GREETING
        openings += [hashed(" ".join(words[0]))] if opens else []
        opening_counts.append(opens)
        replies += [hashed(" ".join(reply)) for reply in words[1::2]]
        turns += words
        turn_counts.append(len(words))
    counts = np.array(turn_counts, np.int64)
    hashes, lengths = shingles.hashed(turns)
    of_chat = np.repeat(np.arange(len(ids)), counts)
    answers = np.arange(len(lengths)) % 2 == 1  # every chat has human and gpt in turn
    in_all = np.bincount(of_chat[answers], lengths[answers], minlength=len(ids)).astype(np.int64)
    said, asked = (hashes[np.repeat(whose, lengths)] for whose in (answers, ~answers))
    column = shingles.sets(said, in_all)
    runs, chat = shingles.windows(said, in_all, RUN_WORDS)
    others, turn = shingles.windows(asked, lengths[~answers], RUN_WORDS)
    runs, chat = np.concatenate([others, runs]), np.concatenate([of_chat[~answers][turn], chat])
    runs = runs[np.argsort(chat, kind="stable")]
    return Columns(
        np.array(starts, np.int64), np.array(ends, np.int64), np.array(ids, np.uint64), np.array(homes, np.uint8), np.array(written, bool),
        np.array(groups, np.uint64), list(names), np.array(characters, np.int32),
        _ragged(np.array(openings, np.uint64), opening_counts), _ragged(np.array(replies, np.uint64), counts // 2),
        _ragged(runs, np.bincount(chat, minlength=len(ids))), Ragged(column.hashes, column.starts),
    )  # fmt: skip


def passages(chat: dict) -> list[list[str]]:
    """The words in which runs are looked for, in normal form: each of the visitor's turns, and all replies as one text, which turns might divide otherwise."""
    return [*map(normal_words, spoken(chat, "human")), [word for reply in spoken(chat, "gpt") for word in normal_words(reply)]]


def hashed(text: str) -> int:
    """64 bits of a text: two of the ten million texts of a million chats are taken for one in one of 370,000 runs."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def _ragged(values: np.ndarray, counts: np.ndarray | list[int]) -> Ragged:
    return Ragged(values, np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))


def joined(parts: list[Columns]) -> Columns:
    """The chats of all parts, one or more, in their order."""
    characters = list(dict.fromkeys(name for part in parts for name in part.characters))

    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    def ragged(name: str) -> Ragged:
        each = [getattr(part, name) for part in parts]
        return _ragged(np.concatenate([one.values for one in each]), np.concatenate([one.lengths for one in each]))

    numbers = [np.array([characters.index(name) for name in part.characters], np.int32)[part.character] for part in parts if len(part)]
    return Columns(
        column("start"), column("end"), column("id"), column("home"), column("synthetic"), column("group"), characters,
        np.concatenate([np.zeros(0, np.int32), *numbers]), ragged("openings"), ragged("replies"), ragged("runs"), ragged("shingles"),
    )  # fmt: skip
