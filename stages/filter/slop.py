"""Stock phrases of generated prose: one is anybody's, many in a short chat are a machine's."""

from __future__ import annotations

from functools import lru_cache

from stages.common.errors import UserError
from stages.common.params import read_yaml
from stages.filter.phrases import Phrases
from stages.filter.talk import Drop, Limits, Talk

FILE = "data/words/slop.yaml"
AT_LEAST = 2
"""Occurrences below which a rate means nothing: one phrase in a reply of 40 words is 25 in 1,000, and may be anybody's."""


def slop(talk: Talk, limits: Limits) -> Drop | None:
    """The weights of the stock phrases in 1,000 words of the chat's replies come to more than the limit; one alone drops nothing."""
    found = _phrases().count(talk.said)
    if found.total() >= AT_LEAST:
        weight = sum(times * weights()[phrase] for phrase, times in found.items())
        if (rate := 1000 * weight / sum(map(len, talk.reply_words))) > limits.max_slop:
            return Drop("slop", f"{rate:.1f}: {', '.join(found)}", limits.max_slop)
    return None


@lru_cache(maxsize=1)
def weights() -> dict[str, float]:
    """By phrase 1 / (1 + its rate in 100,000 words of good prose), which the list gives. Raises UserError where it gives none."""
    listed = read_yaml(FILE)
    if not isinstance(listed, dict) or not all(isinstance(rate, int | float) and rate >= 0 for rate in listed.values()):
        raise UserError(f"{FILE}: expected phrases, each with its rate in 100,000 words of good prose, 0 or more")
    return {phrase: 1 / (1 + rate) for phrase, rate in listed.items()}


@lru_cache(maxsize=1)
def _phrases() -> Phrases:
    return Phrases(weights())
