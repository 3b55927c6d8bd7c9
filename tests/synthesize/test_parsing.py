"""What teachers really write: transcripts that parse, transcripts that do not, and why."""

from __future__ import annotations

import pytest

from stages.synthesize.parsing import NotAChat, turns

NAME = "Sherlock Holmes"


def parsed(text: str, finish: str = "stop", name: str = NAME) -> list[str]:
    """The values of the turns, which must be human and gpt in turn."""
    found = turns(text, name, finish)
    assert [turn["from"] for turn in found] == ["human", "gpt"] * (len(found) // 2)
    return [turn["value"] for turn in found]


def reason(text: str, finish: str = "stop", name: str = NAME) -> tuple[str, str]:
    with pytest.raises(NotAChat) as caught:
        turns(text, name, finish)
    assert caught.value.expected
    return caught.value.rule, caught.value.found


def test_a_transcript_becomes_turns() -> None:
    text = "Visitor: Who was it?\nSherlock Holmes: The verger.\nVisitor: How do you know?\nSherlock Holmes: His boots: they squeak."
    assert turns(text, NAME, "stop") == [
        {"from": "human", "value": "Who was it?"},
        {"from": "gpt", "value": "The verger."},
        {"from": "human", "value": "How do you know?"},
        {"from": "gpt", "value": "His boots: they squeak."},
    ]


@pytest.mark.parametrize(
    "label",
    [
        "Sherlock Holmes:",
        "Holmes:",
        "Mr. Holmes:",
        "Mr Holmes:",
        "**Sherlock Holmes:**",
        "**Sherlock Holmes**:",
        "SHERLOCK HOLMES:",
        "sherlock holmes :",
        "- Holmes:",
        "*Holmes:*",
        "1. Holmes:",
        "[Holmes]:",
    ],
)
def test_the_character_may_be_labelled_in_many_ways(label: str) -> None:
    if label.startswith("1."):
        assert reason(f"1. Visitor: Who?\n{label} I.")[0] == "parse.label"  # a list, no transcript
    else:
        assert parsed(f"Visitor: Who was it?\n{label} The verger.") == ["Who was it?", "The verger."]


@pytest.mark.parametrize("label", ["Visitor:", "The Visitor:", "**Visitor:**", "**The visitor**:", "VISITOR :", "* Visitor:"])
def test_the_visitor_may_be_labelled_in_many_ways(label: str) -> None:
    assert parsed(f"{label} Who was it?\nHolmes: The verger.") == ["Who was it?", "The verger."]


def test_blank_lines_and_outer_spaces_say_nothing() -> None:
    assert parsed("\n\n  Visitor:  Who was it? \r\n\r\n\n\tHolmes: The verger.  \n\n") == ["Who was it?", "The verger."]


def test_a_line_without_a_label_goes_on_with_the_turn_before() -> None:
    assert parsed("Visitor: Who\nwas it?\n\nHolmes: The verger.\nHe squeaks.\n  At night.") == ["Who was it?", "The verger. He squeaks. At night."]


def test_a_name_within_a_line_is_no_label() -> None:
    assert parsed("Visitor: Are you Holmes: the Holmes?\nHolmes: A visitor: how pleasant.") == ["Are you Holmes: the Holmes?", "A visitor: how pleasant."]


def test_a_visitors_last_word_without_an_answer_is_left_out() -> None:
    assert parsed("Visitor: Who?\nHolmes: The verger.\nVisitor: Thank you!") == ["Who?", "The verger."]


def test_an_answer_that_was_cut_off_loses_its_last_line() -> None:
    text = "Visitor: Who?\nHolmes: The verger.\nVisitor: How?\nHolmes: His boots squ"
    assert parsed(text, "length") == ["Who?", "The verger."]
    assert parsed(text, "stop") == ["Who?", "The verger.", "How?", "His boots squ"]


def test_a_cut_off_answer_of_one_line_is_no_chat() -> None:
    assert reason("Visitor: Who was it, and how did", "length") == ("parse.turns", "nothing")


@pytest.mark.parametrize(
    "text, rule, found",
    [
        ("", "parse.turns", "nothing"),
        (" \n \n", "parse.turns", "nothing"),
        ("Here is a dialogue.\nVisitor: Who?\nHolmes: I.", "parse.label", "Here is a dialogue."),
        ("The verger did it, of course.", "parse.label", "The verger did it, of course."),
        ("Visitor: Who?", "parse.turns", "nothing"),
        ("Visitor: Who?\nVisitor: Who, I say?", "parse.turns", "human"),
        ("Holmes: Sit down.\nVisitor: Thank you.\nHolmes: So.", "parse.turns", "gpt, human, gpt"),
        ("Visitor: Who?\nHolmes: I.\nHolmes: I again.", "parse.turns", "human, gpt, gpt"),
        ("Visitor: Who?\nVisitor: Well?\nHolmes: I.", "parse.turns", "human, human, gpt"),
    ],
)
def test_what_is_no_chat_says_by_which_rule(text: str, rule: str, found: str) -> None:
    assert reason(text) == (rule, found)


def test_a_turn_without_words_is_no_chat() -> None:
    assert reason("Visitor: Who?\nHolmes:\nVisitor: Well?\nHolmes: I.")[0] in ("parse.empty", "parse.turns")
    assert reason("Visitor:\nHolmes: I.")[0] in ("parse.empty", "parse.label")


def test_a_label_on_a_line_of_its_own_is_still_a_label() -> None:
    """Chat models often set the name on one line and the words on the next."""
    assert parsed("Visitor:\nWho was it?\n\n**Sherlock Holmes:**\nThe verger.") == ["Who was it?", "The verger."]


def test_a_label_without_a_space_after_it_is_still_a_label() -> None:
    assert parsed("Visitor:Who was it?\nHolmes:The verger.") == ["Who was it?", "The verger."]


def test_the_first_name_alone_is_a_label_too() -> None:
    assert parsed("Visitor: Who was it?\nSherlock: The verger.") == ["Who was it?", "The verger."]


@pytest.mark.parametrize(
    "text",
    [
        "Visitor: Who?\nHolmes: The verger.\nWatson: Good heavens!",
        "Visitor: Who?\nHolmes: The verger.\nVisitor (pale): Heavens!\nHolmes: Quite.",
        "Visitor: Who?\nHolmes (smiling): The verger.\nVisitor: How?\nHolmes: Boots.",
        "Visitor: Who?\nHolmes: The verger.\n**Dr. Watson:** Good heavens!",
        "Visitor: Who?\nHolmes: The verger.\nMrs. Hudson: Supper, gentlemen.",
    ],
)
def test_another_voices_line_never_becomes_part_of_a_turn(text: str) -> None:
    """Either the line is a turn of its own or the answer is no chat; the character must not learn to speak for others."""
    try:
        said = parsed(text)
    except NotAChat:
        return
    assert not [value for value in said if "Watson:" in value or "Hudson:" in value or "):" in value]


def test_half_a_character_makes_the_answer_no_chat_and_the_reason_can_be_written() -> None:
    """JSON can carry it, UTF-8 cannot: it would end the stage and lose every other answer."""
    rule, found = reason("Visitor: Half \ud800?\nHolmes: A character.")
    assert rule.startswith("parse.") and found.encode()


def test_a_long_line_is_quoted_shortly() -> None:
    assert len(reason("x" * 10_000)[1]) == 300


@pytest.mark.parametrize("name", ["Elizabeth Bennet", "Ada", "C. Auguste Dupin (le Chevalier)", "R\\d+ [X]"])
def test_any_characters_name_is_a_label(name: str) -> None:
    assert parsed(f"Visitor: Who?\n{name}: I.", name=name) == ["Who?", "I."]
    assert reason("Visitor: Who?\nSherlock Holmes: I.", name=name)[0].startswith("parse.")
