"""The batches that the trainer makes: how many steps, how much of them is padding, and the largest.

Steps are Axolotl 0.19's (utils/trainer.py, calculate_total_num_steps), batches those of transformers 5.16's sampler (trainer_pt_utils.py,
get_length_grouped_indices) and of Axolotl's collator, which pads to a multiple of 64 (core/builders/causal.py). The order is drawn by Python's
generator and not torch's: of another draw from the same distribution the shares are taken, over several draws.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

DRAWS = 20
MULTIPLE = 64
"""To which Axolotl pads where nobody says otherwise."""


@dataclass(frozen=True)
class ChatTokens:
    """One chat as tokens."""

    length: int
    said: int
    """The character's tokens as bits: bit n is token n."""


@dataclass(frozen=True)
class Batch:
    """A batch as the model sees it."""

    chats: int
    length: int
    """Tokens of each row, padding included."""
    tokens: int
    """Those of the chats alone."""
    said: int
    """Positions at which some chat of the batch has a token of the character's."""


def steps(chats: int, config: Mapping[str, Any], processes: int) -> int:
    """Optimizer steps of a training. A limit below 1 is none, as transformers has it."""
    batch = config["micro_batch_size"] * config["gradient_accumulation_steps"] * processes
    limit = config.get("max_steps") or 0
    return limit if limit > 0 else math.ceil(chats * config["num_epochs"] / batch)


def evaluations(steps: int, config: Mapping[str, Any]) -> int:
    """How often the validation chats are gone through: before the first step, every `eval_steps`, and after the last."""
    every = config["eval_steps"]
    every = math.ceil(steps * every) if every < 1 else int(every)
    return 1 + math.ceil(steps / every)


def epoch(chats: Sequence[ChatTokens], config: Mapping[str, Any], generator: random.Random) -> list[Batch]:
    """The batches of one pass over the chats."""
    micro, accumulation = config["micro_batch_size"], config["gradient_accumulation_steps"]
    order = generator.sample(range(len(chats)), len(chats))
    if config.get("group_by_length"):
        order = grouped([chat.length for chat in chats], micro * accumulation, order)
    return [batch([chats[place] for place in order[begin : begin + micro]], config) for begin in range(0, len(order), micro)]


def grouped(lengths: Sequence[int], size: int, order: Sequence[int]) -> list[int]:
    """A random order with chats of like lengths beside each other: sorted within spans of 50 steps, or of a quarter of all; the longest chat comes first."""
    span = size * max(1, min(len(lengths) // (size * 4), 50))
    spans = [sorted(order[begin : begin + span], key=lambda place: -lengths[place]) for begin in range(0, len(order), span)]
    first = max(range(len(spans)), key=lambda number: lengths[spans[number][0]])
    spans[0][0], spans[first][0] = spans[first][0], spans[0][0]
    return [place for one in spans for place in one]


def batch(chats: Sequence[ChatTokens], config: Mapping[str, Any]) -> Batch:
    """The chats as one batch."""
    longest = max(chat.length for chat in chats)
    multiple = config.get("pad_to_multiple_of") or MULTIPLE
    match config.get("pad_to_sequence_len"):
        case None:
            longest = multiple * math.ceil(longest / multiple)
        case True:
            longest = multiple * math.ceil(config["sequence_len"] / multiple)
    return Batch(len(chats), longest, sum(chat.length for chat in chats), reduce(or_, (chat.said for chat in chats)).bit_count())


def largest(chats: Sequence[ChatTokens], config: Mapping[str, Any]) -> Batch:
    """The batch of the longest chats, which takes the most memory: grouped by length, or by bad luck."""
    return batch(sorted(chats, key=lambda chat: -chat.length)[: config["micro_batch_size"]], config)


def padding(chats: Sequence[ChatTokens], config: Mapping[str, Any]) -> float:
    """Share of the tokens computed that are padding, over DRAWS passes."""
    generator = random.Random(config["seed"])
    drawn = [one for _ in range(DRAWS) for one in epoch(chats, config, generator)]
    return 1 - sum(one.tokens for one in drawn) / sum(one.chats * one.length for one in drawn)
