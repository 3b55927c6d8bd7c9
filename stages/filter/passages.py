"""Where the words that a rule found stand in what was said, and the part of it that shows them."""

from __future__ import annotations

import re
from collections.abc import Sequence

Span = tuple[int, int]

SINGLE, DOUBLE = "'‘’‛`", '"“”„'
# "smartphone (1980)", "a testament to x3": what a rule adds to the words themselves.
ADDED = re.compile(r"(?: ×\d+| x\d+| \([^()]{0,80}\))$")
SHORTEST = 4  # characters of one of several
LONGEST = 200  # characters of found words that are looked for; a longer find is looked for by its beginning


def places(turns: Sequence[str], found: object) -> list[list[Span]]:
    """For each turn (first character, character after the last) of each place where the words stand, in any case and with any quotation marks.

    Where they stand nowhere as a whole, each of several that a comma or semicolon parts is looked for. Words inside others are not meant ("ai" in "said"),
    unless there is no other place. A figure stands nowhere. Linear in the length of the turns.
    """
    if isinstance(found, str):
        for needles in ([found], re.split(r"[,;] ", found[: 20 * LONGEST])):
            wanted = [needle for each in needles if len(needle := _stripped(each)) >= SHORTEST or needle and len(needles) == 1]
            spans = [sorted(place for needle in wanted for place in _places(turn, needle)) for turn in turns]
            if any(spans):
                return spans
    return [[] for _ in turns]


def _stripped(found: str) -> str:
    return ADDED.sub("", found.strip()).strip(" .…")[:LONGEST].strip()


def _places(turn: str, needle: str) -> list[Span]:
    words = r"\s+".join("".join(map(_alike, word)) for word in needle.split())
    before, after = (r"(?<!\w)" if re.match(r"\w", needle) else ""), (r"(?!\w)" if re.search(r"\w\Z", needle) else "")
    alone = [match.span() for match in re.finditer(before + words + after, turn, re.IGNORECASE)]
    return alone or [match.span() for match in re.finditer(words, turn, re.IGNORECASE)]


def _alike(character: str) -> str:
    return next((f"[{re.escape(kind)}]" for kind in (SINGLE, DOUBLE) if character in kind), re.escape(character))


def excerpt(turn: str, places: Sequence[Span], size: int) -> tuple[str, list[Span], int, int]:
    """(at most `size` characters of the turn with the first place in them, the places in these, characters left out before and after)."""
    start = 0
    if places and places[0][1] > size:
        start = max(0, min(places[0][0] - size // 4, len(turn) - size))
    shown = turn[start : start + size]
    inside = [(max(0, first - start), min(end - start, len(shown))) for first, end in places if first - start < len(shown) and end > start]
    return shown, inside, start, len(turn) - start - len(shown)
