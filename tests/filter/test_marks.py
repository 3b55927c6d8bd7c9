"""In the report's examples what the figure counts is marked, not only words that were found."""

from __future__ import annotations

import pytest

from stages.filter.marks import marks


def marked(turns: list[str], rule: str, found: object = 0.5) -> list[list[str]]:
    return [[turn[first:end] for first, end in spans] for turn, spans in zip(turns, marks(turns, rule, found), strict=True)]


def test_the_words_that_a_reply_repeats_are_marked() -> None:
    said = "Come with me, Watson! It is late. Come with me... Watson, it is late; so we go."
    assert marked([said, "Nothing."], "repetition.in_reply") == [["Come with me, Watson! It is late", "Come with me... Watson, it is late"], []]


def test_what_stands_in_two_turns_is_marked_in_both() -> None:
    turns = ["The verger's boots are wet, I see.", "I told you: the VERGER'S boots are wet."]
    assert marked(turns, "repetition.across_turns") == [["The verger's boots are wet"], ["the VERGER'S boots are wet"]]


@pytest.mark.parametrize(
    ("rule", "text", "found"),
    [("wreckage.mojibake", "The cafÃ© is shut.", ["Ã©"]), ("wreckage.entity", "Ham &amp; eggs &co", ["&amp;"]), ("wreckage.character", "A\ufffdB", ["\ufffd"])],
)
def test_wrecked_letters_are_marked(rule: str, text: str, found: list[str]) -> None:
    assert marked([text], rule) == [found]


def test_of_any_other_rule_the_words_are_marked_that_it_found() -> None:
    assert marked(["As an AI, I am."], "assistant_speech.identity", "As an AI") == [["As an AI"]]
    assert marked(["Short."], "length.short", 1) == [[]]
