"""Phrases are found as whole words, as often as they stand, within one text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stages.filter.phrases import Phrases, Said

WORDS = st.lists(st.sampled_from(["a", "b", "aa", "ab", "c"]), max_size=12)


def plainly(phrase: str, texts: list[list[str]]) -> int:
    """The count by the plain way, from left to right, without overlap."""
    size, times = len(phrase.split()), 0
    for text in texts:
        at = 0
        while at + size <= len(text):
            hit = text[at : at + size] == phrase.split()
            times, at = times + hit, at + (size if hit else 1)
    return times


@given(st.lists(WORDS.filter(bool), min_size=1, max_size=5), st.lists(WORDS, max_size=4))
def test_the_counts_are_those_of_a_plain_search(phrases: list[list[str]], texts: list[list[str]]) -> None:
    listed = {" ".join(phrase) for phrase in phrases}
    assert Phrases(listed).count(Said(texts)) == {phrase: times for phrase in listed if (times := plainly(phrase, texts))}
