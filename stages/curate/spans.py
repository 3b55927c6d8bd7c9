"""Where in a text a pattern stands whose matches need a second look."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

Spans = Iterator[tuple[int, int]]
"""(start, end) from left to right; no two overlap."""


def spans(pattern: re.Pattern[str], text: str, end_of: Callable[[re.Match[str]], int | None]) -> Spans:
    """The matches to which `end_of` gives an end, which may lie before the match's own.

    Where it gives none, the search goes on one character later, not behind the match: what was refused may have swallowed the start of another.
    """
    position = 0
    while match := pattern.search(text, position):
        end = end_of(match)
        if end:
            yield match.start(), end
        position = end or match.start() + 1
