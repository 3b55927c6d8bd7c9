"""Replies that are shorter or longer than the character speaks, and turns with next to nothing in them."""

from __future__ import annotations

import re
from itertools import islice

from stages.common.chats import words
from stages.filter.talk import Drop, Limits, Talk

_WORD = re.compile(r"[^\W_]\S*")  # from a letter or digit to the next white space: dots, dashes and smileys alone are no word


def near_empty(talk: Talk, limits: Limits) -> Drop | None:
    """A turn of the visitor's has next to no words: those that hold a letter or a digit count, in any script."""
    least = limits.min_asked_words
    for turn in talk.asked:
        count = sum(1 for _ in islice(_WORD.finditer(turn), least))
        if count < least:
            return Drop("length.empty", count, least)
    return None


def reply_length(talk: Talk, limits: Limits) -> Drop | None:
    """A reply is shorter or longer than the character speaks."""
    for reply in talk.replies:
        count = words(reply)
        if count < limits.min_words:
            return Drop("length.short", count, limits.min_words)
        if count > limits.max_words:
            return Drop("length.long", count, limits.max_words)
    return None
