"""Where what a rule found stands in a dropped chat: its words, or, where it found a figure, what the figure counts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from stages.common.chats import normal_words
from stages.common.repeated_runs import RUN
from stages.filter.passages import Span, places
from stages.filter.wreckage import wrecks

WORD = re.compile(r"[^\W_]+")


def marks(turns: Sequence[str], rule: str, found: object) -> list[list[Span]]:
    """For each turn (first character, character after the last) of what the rule found there, in order."""
    if rule.startswith("wreckage."):
        return [wrecks(turn) for turn in turns]
    if rule.startswith("repetition."):
        return repeated(turns, RUN if rule == "repetition.in_reply" else 3)
    return places(turns, found)


def repeated(turns: Sequence[str], size: int) -> list[list[Span]]:
    """The stretches of words in runs of `size` words that stand more than once in the turns."""
    spans = [[match.span() for match in WORD.finditer(turn)] for turn in turns]
    words = [["".join(normal_words(turn[first:end])) for first, end in places] for turn, places in zip(turns, spans, strict=True)]
    runs = [list(zip(*(said[start:] for start in range(size)), strict=False)) for said in words]
    counts = Counter(run for each in runs for run in each)
    return [
        joined([(places[n][0], places[n + size - 1][1]) for n, run in enumerate(each) if counts[run] > 1]) for each, places in zip(runs, spans, strict=True)
    ]


def joined(spans: Sequence[Span]) -> list[Span]:
    """Spans in order, those that overlap or follow each other within a character as one."""
    found: list[Span] = []
    for first, end in spans:
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((first, end))
    return found
