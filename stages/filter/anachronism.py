"""Words that the character himself uses and that came up after his year. Said by the visitor they are fine: the red-team chats have them."""

from __future__ import annotations

from functools import lru_cache

from stages.common.errors import UserError
from stages.common.params import read_yaml
from stages.filter.phrases import Phrases
from stages.filter.talk import Drop, Limits, Talk

FILE = "data/words/anachronisms.yaml"


def anachronism(talk: Talk, limits: Limits) -> Drop | None:
    """More different words than the limit allows came up after the character's year. A character without a year may say anything."""
    if talk.role.year is None:
        return None
    found = later(talk.role.year).count(talk.said)
    if len(found) > limits.max_anachronisms:
        named = ", ".join(f"{word} ({first_years()[word]})" for word in sorted(found)[:5])
        return Drop("anachronism", named, f"words of {talk.role.year}")
    return None


@lru_cache(maxsize=1)
def first_years() -> dict[str, int]:
    """By word or phrase of the list, and its plural, the year it came up. Raises UserError where the list is not of years and words."""
    listed = read_yaml(FILE)
    if not isinstance(listed, dict):
        raise UserError(f"{FILE}: found {type(listed).__name__}; expected years, each with a list of words")
    years: dict[str, int] = {}
    for year, words in listed.items():
        if not isinstance(year, int) or not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise UserError(f"{FILE}: at {year!r}: expected a year with a list of words, those that YAML takes for something else in quotes")
        for word in words:
            years[word] = year
    return {f"{word}s": year for word, year in years.items()} | years


@lru_cache(maxsize=64)
def later(year: int) -> Phrases:
    """The words that came up after a year."""
    return Phrases(word for word, first in first_years().items() if first > year)
