"""Each rule alone: what it drops, with which figure, against which threshold, and what it lets pass."""

from __future__ import annotations

import random

import pytest

from stages.common.chats import normal, words
from stages.common.repeated_runs import repeated_share
from stages.filter.repetition import overlap
from stages.filter.rules import judge
from stages.filter.talk import Drop
from tests.chats import make_chat, prose
from tests.filter.rules import drop, limits, talk


def share_of(text: str) -> float:
    return repeated_share(normal(text).split())


@pytest.mark.parametrize("count, expected", [(7, Drop("length.short", 7, 8)), (8, None), (120, None), (121, Drop("length.long", 121, 120))])
def test_replies_must_be_neither_shorter_nor_longer_than_the_limits(count: int, expected: Drop | None) -> None:
    assert drop("Question?", prose(1), "And?", prose(2, count)) == expected


def test_the_visitor_may_be_as_short_and_as_long_as_he_likes() -> None:
    assert drop("Why?", prose(1), prose(2, 400), prose(3)) is None


@pytest.mark.parametrize(
    "reply, rule, found",
    [
        ("As an AI language model, I have no opinion of the verger.", "assistant_speech.identity", "As an AI"),
        ("I am sorry, but I cannot assist with that request of yours.", "assistant_speech.refusal", "I am sorry, but I cannot"),
        ("It is important to note that every verger is a different man.", "assistant_speech.disclaimer", "It is important to note that"),
        ("Good evening to you, sir. How may I help you this evening?", "assistant_speech.service", "How may I help you"),
    ],
)
def test_an_assistants_phrase_drops_the_chat_and_is_quoted(reply: str, rule: str, found: str) -> None:
    hit = drop("Question?", prose(1), "And?", reply)
    assert (hit.rule, hit.expected) == (rule, "no assistant phrase")
    assert hit.found.startswith(found)
    assert drop("As an AI, what would you say? How may I help you?", prose(1)) is None


@pytest.mark.parametrize(
    "reply, rule, found",
    [
        ("Sherlock Holmes: " + prose(5), "character_break.name_prefix", "Sherlock Holmes:"),
        ("As Sherlock Holmes, I should look first at the boots of the man.", "character_break.third_person", "As Sherlock Holmes, I"),
        ("Sit down, {{user}}, and tell me of the boots of the man.", "character_break.macro", "{{user}}"),
        ("I am a fictional detective and there are no boots at all here.", "character_break.playing", "I am a fictional detective"),
    ],
)
def test_a_break_of_character_drops_the_chat_and_is_quoted(reply: str, rule: str, found: str) -> None:
    assert drop("Question?", reply) == Drop(rule, found, "the character speaks as himself")


def test_the_name_that_is_looked_for_is_the_characters_own() -> None:
    said = "Question?", "Irene Adler: " + prose(5)
    assert drop(*said) is None
    assert drop(*said, name="Irene Adler").rule == "character_break.name_prefix"


def test_a_reply_that_says_the_same_again_is_dropped_with_its_share() -> None:
    phrase = "you have come from the station"  # 6 words, twice among 20
    reply = f"{phrase} {prose(1, 8)} {phrase}"
    assert share_of(reply) == pytest.approx(12 / 20)
    assert drop("Question?", reply) == Drop("repetition.in_reply", 0.6, 0.15)


def test_a_repeated_phrase_of_four_words_is_style_and_no_loop() -> None:
    assert share_of(f"you have come again {prose(1, 8)} you have come again") == 0.0


@pytest.mark.parametrize("text, share", [("", 0.0), ("one two three four", 0.0), ("go " * 10, 1.0), ("Go, GO! go? go; go: go.", 1.0)])
def test_the_share_of_repeated_words_at_its_ends(text: str, share: float) -> None:
    assert share_of(text) == share


def test_a_share_at_the_threshold_is_kept() -> None:
    phrase = "you have come from there"
    reply = f"{phrase} {prose(1, 10)} {phrase}"
    assert share_of(reply) == 0.5
    assert drop("Question?", reply, max_repeated_in_reply=0.5) is None


@pytest.mark.parametrize(
    "a, b, expected",
    [
        ("a b c d", "a b c d", 1.0),
        ("a b c d", "A, b; C d!", 1.0),
        ("a b c d", "b c d e", 1 / 3),
        ("a b c d", "w x y z", 0.0),
        ("yes", "Yes!", 1.0),
        ("yes", "no", 0.0),
        ("yes", "yes of course sir", 0.0),
        ("", "", 1.0),
    ],
)
def test_the_overlap_of_two_texts_is_the_jaccard_of_their_trigrams(a: str, b: str, expected: float) -> None:
    one, other = normal(a).split(), normal(b).split()
    assert overlap(one, other) == overlap(other, one) == pytest.approx(expected)


def test_a_reply_that_repeats_the_visitor_or_an_earlier_reply_is_dropped_with_the_overlap() -> None:
    echo = prose(1)
    assert drop(echo, prose(2), "And?", echo) == Drop("repetition.across_turns", 1.0, 0.5)
    assert drop("Question?", echo, "And?", echo + " indeed") == Drop("repetition.across_turns", round(18 / 19, 3), 0.5)


def test_a_visitor_who_repeats_the_character_is_no_fault_of_the_reply() -> None:
    assert drop("Question?", prose(1), prose(1), prose(2)) is None


def test_the_system_prompt_is_no_turn_that_a_reply_could_repeat() -> None:
    chat = make_chat("Question?", prose(1))
    chat["conversations"][0]["value"] = prose(1)
    assert judge(talk(chat), limits()) is None


def test_of_two_reasons_the_cheaper_rule_is_named() -> None:
    assert drop("Question?", "As an AI, no.").rule == "length.short"


def test_what_the_rules_let_pass_has_no_reply_outside_the_limits() -> None:
    """Whatever the words: a property over made chats."""
    draw = random.Random(3)
    for number in range(300):
        said = [text for turn in range(draw.randint(1, 4)) for text in (f"Question {number} {turn}?", prose(number * 9 + turn, draw.randint(1, 150)))]
        counts = [words(reply) for reply in said[1::2]]
        hit = drop(*said)
        assert (hit is None) == all(8 <= count <= 120 for count in counts)
        if hit:
            assert hit.found == next(count for count in counts if not 8 <= count <= 120)


def judged(*scores: int) -> dict:
    aspects = ("voice", "in_character", "coherence", "engagement", "length")
    critique = {aspect: {"reason": "So.", "score": score} for aspect, score in zip(aspects, scores, strict=True)}
    return {**make_chat("Question?", prose(1), kind="synthetic"), "critique": critique}


@pytest.mark.parametrize(
    "scores, least, expected",
    [
        ((4, 4, 4, 4, 3), 4.0, Drop("critique.low", 3.8, 4.0)),
        ((4, 4, 4, 4, 4), 4.0, None),
        ((5, 5, 5, 5, 1), 4.0, None),
        ((1, 1, 1, 1, 1), None, None),
        ((2, 2, 2, 2, 3), 3, Drop("critique.low", 2.2, 3)),
    ],
)
def test_a_chat_whose_critique_is_low_on_the_mean_is_dropped_with_the_figure(scores: tuple, least: float | None, expected: Drop | None) -> None:
    assert judge(talk(judged(*scores)), limits(min_critique=least)) == expected


def test_a_chat_that_nobody_judged_passes() -> None:
    assert drop("Question?", prose(1), min_critique=5) is None
