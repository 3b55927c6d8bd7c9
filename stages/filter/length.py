"""Replies that are shorter or longer than the character speaks, and turns with next to nothing in them."""

from __future__ import annotations

from stages.common.chats import words
from stages.filter.talk import Drop, Limits, Talk


def reply_length(talk: Talk, limits: Limits) -> Drop | None:
    """A reply is shorter or longer than the character speaks."""
    for reply in talk.replies:
        count = words(reply)
        if count < limits.min_words:
            return Drop("length.short", count, limits.min_words)
        if count > limits.max_words:
            return Drop("length.long", count, limits.max_words)
    return None
