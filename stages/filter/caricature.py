"""The character as a caricature of himself: what he is known for, said all the time."""

from __future__ import annotations

from functools import lru_cache

from stages.common.chats import normal
from stages.filter.phrases import Phrases
from stages.filter.talk import Drop, Limits, Talk

AT_LEAST = 2
"""Occurrences below which a rate means nothing: once in a chat of 100 words is 10 in 1,000, and no fault."""


def catch_phrases(talk: Talk, limits: Limits) -> Drop | None:
    """The card's catch-phrases come oftener, in 1,000 words of the chat's replies, than the limit allows; one alone drops nothing."""
    found = _phrases(talk.role.catch_phrases).count(talk.said) if talk.role.catch_phrases else None
    if found and (times := found.total()) >= AT_LEAST and (rate := 1000 * times / sum(map(len, talk.reply_words))) > limits.max_catch_phrases:
        return Drop("caricature.catch_phrases", f"{rate:.1f}: {', '.join(sorted(found))}", limits.max_catch_phrases)
    return None


@lru_cache(maxsize=64)
def _phrases(catch_phrases: tuple[str, ...]) -> Phrases:
    return Phrases({words for phrase in catch_phrases if (words := normal(phrase))})
