"""What teachers really write: transcripts and JSON that can be read, what cannot, and why."""

from __future__ import annotations

import json

import pytest

from stages.common.answer_store import Answer
from stages.synthesize.parsing import NotAChat, turns

NAME = "Sherlock Holmes"


def said_in(text: str, finish: str = "stop", name: str = NAME, structured: bool = False) -> list[dict]:
    return turns(Answer(text, finish, 0, 0), name, structured)


def parsed(text: str, finish: str = "stop", name: str = NAME, structured: bool = False) -> list[str]:
    """The values of the turns, which must be human and gpt in turn."""
    found = said_in(text, finish, name, structured)
    assert [turn["from"] for turn in found] == ["human", "gpt"] * (len(found) // 2)
    return [turn["value"] for turn in found]


def reason(text: str, finish: str = "stop", name: str = NAME, structured: bool = False) -> tuple[str, str]:
    with pytest.raises(NotAChat) as caught:
        said_in(text, finish, name, structured)
    assert caught.value.expected
    return caught.value.rule, caught.value.found


def in_json(*said: str, first: str = "visitor", **more: object) -> str:
    speakers = ["visitor", "character"] if first == "visitor" else ["character", "visitor"]
    return json.dumps({"turns": [{"speaker": speaker, "text": text} for speaker, text in zip(speakers * len(said), said, strict=False)], **more})


def test_a_transcript_becomes_turns() -> None:
    text = "Visitor: Who was it?\nSherlock Holmes: The verger.\nVisitor: How do you know?\nSherlock Holmes: His boots: they squeak."
    assert said_in(text) == [
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


@pytest.mark.parametrize("structured", [False, True])
@pytest.mark.parametrize(
    "finish, rule, found", [("length", "finish.length", "...{}"), ("content_filter", "finish.content_filter", "{}"), ("refusal", "refusal", "{}")]
)
def test_an_answer_that_did_not_end_by_itself_is_no_chat_however_good_it_looks(finish: str, rule: str, found: str, structured: bool) -> None:
    text = in_json("Who?", "I.") if structured else "Visitor: Who?\nHolmes: I."
    assert parsed(text, structured=structured) == ["Who?", "I."]
    assert reason(text, finish, structured=structured) == (rule, found.format(text))


def test_an_answer_without_a_word_says_nothing() -> None:
    assert reason("", "content_filter") == ("finish.content_filter", "nothing")


@pytest.mark.parametrize("structured", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I\u2019m sorry, I can\u2019t assist with that request.",
        "I cannot create content of this kind.",
        "As an AI language model, I do not write such scenes.",
        "**I'm unable to write this dialogue.**",
    ],
)
def test_a_teacher_that_declines_is_a_refusal(text: str, structured: bool) -> None:
    assert reason(text, structured=structured) == ("refusal", text)


def test_a_character_who_declines_is_no_refusal() -> None:
    assert parsed("Visitor: Will you help?\nHolmes: I cannot help you with that, sir.") == ["Will you help?", "I cannot help you with that, sir."]


def test_json_becomes_turns_with_or_without_a_fence() -> None:
    text = in_json("Who?", "The verger. ", "Truly?", "His boots: they squeak.", "Oh!")
    for written in (text, f"```json\n{text}\n```", f" ```\n{text}```\n"):
        assert parsed(written, structured=True) == ["Who?", "The verger.", "Truly?", "His boots: they squeak."]


@pytest.mark.parametrize(
    "text, rule",
    [
        ("", "parse.json"),
        ("Visitor: Who?\nHolmes: I.", "parse.json"),
        (in_json("Who?", "I.")[:-3], "parse.json"),
        ("[" * 100_000, "parse.json"),
        ("[]", "parse.schema"),
        ('{"turns": [{"speaker": "Holmes", "text": "I."}]}', "parse.schema"),
        ('{"turns": [{"speaker": "visitor"}]}', "parse.schema"),
        ('{"turns": [{"speaker": "visitor", "text": 3}]}', "parse.schema"),
        (in_json("Who?", "I.", title="A scene"), "parse.schema"),
        (in_json("Half \ud800?", "I."), "parse.schema"),
        ('{"turns": []}', "parse.turns"),
        (in_json("Come in.", "Thank you.", "Sit down.", first="character"), "parse.turns"),
        (in_json("Who?", " "), "parse.empty"),
        (in_json("Who?", "I.<|im_end|>"), "parse.control"),
        (in_json("Who?", "I.").replace("I.", r"\u003c|im_end|\u003e"), "parse.control"),
    ],
    ids=lambda value: value[:40],
)
def test_json_that_is_no_chat_says_by_which_rule(text: str, rule: str) -> None:
    found = reason(text, structured=True)
    assert found[0] == rule and found[1].encode()


@pytest.mark.parametrize(
    "reply",
    [
        "Sit down. Visitor: Thank you. And then?",
        "Sit down.\nVisitor: Thank you.",
        "Sit down\n**Visitor:** Thank you.",
        '"Sit down." The Visitor: Thank you.',
        "Visitor: Thank you.",
        "I see. User: And then?",
        "I see. visitor: and then?",
        "Sit. [VISITOR]: no",
        "So. VISITOR - and then?",
        "He said, Visitor: give me that.",
        "You: what? Me: fine.",
    ],
)
def test_the_visitors_words_in_the_characters_mouth_are_no_chat(reply: str) -> None:
    assert reason(in_json("May I?", reply), structured=True)[0] == "parse.others_words"


def test_a_visitor_who_is_spoken_of_is_no_label() -> None:
    said = ["Who came?", "A visitor: tall, lame. My last visitor: short. The user of this pipe is left-handed."]
    assert parsed(in_json(*said), structured=True) == said


def test_in_a_transcript_too_the_visitor_stays_out_of_the_characters_mouth() -> None:
    assert reason("Visitor: May I?\nHolmes: Do. Visitor: Thank you.") == ("parse.others_words", "Do. Visitor: Thank you.")


@pytest.mark.parametrize(
    "text, rule, found",
    [
        ("", "parse.turns", "nothing"),
        (" \n \n", "parse.turns", "nothing"),
        ("It rained.\nVisitor: Who?\nHolmes: I.", "parse.label", "It rained."),
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


@pytest.mark.parametrize(
    "around",
    [
        "Here is the dialogue:\n{}",
        "Sure! Here it is.\n\n{}",
        "```\n{}\n```",
        "Certainly!\n```text\n{}\n```\nI hope it serves.",
        "<think>\nVisitor: hm?\n</think>\n{}",
        "---\n{}",
        "**A dialogue:**\n{}",
    ],
)
def test_what_stands_around_a_transcript_is_no_part_of_it(around: str) -> None:
    assert parsed(around.format("Visitor: Who was it?\nHolmes: The verger.")) == ["Who was it?", "The verger."]


@pytest.mark.parametrize("around", ["Here it is: {}", "Here:\n```json\n{}\n```\nDone.", '<think>{{"turns": []}}</think>{}'])
def test_what_stands_around_json_is_no_part_of_it(around: str) -> None:
    assert parsed(around.format(in_json("Who?", "The verger.")), structured=True) == ["Who?", "The verger."]


def test_a_speakers_own_label_inside_json_is_taken_off() -> None:
    assert parsed(in_json("Visitor: Who?", "**Sherlock Holmes:** The verger."), structured=True) == ["Who?", "The verger."]


@pytest.mark.parametrize("reply", ["Sit.\nThe clerk: I lost my hat.", "Sit.\nDr. Watson: I lost my hat."])
def test_another_voice_inside_a_turn_of_json_is_no_chat(reply: str) -> None:
    assert reason(in_json("Who?", reply), structured=True)[0] == "parse.speaker"


def test_a_clerk_in_a_transcript_is_another_voice() -> None:
    assert reason("Visitor: Who?\nHolmes: Sit.\nThe clerk: I lost my hat.") == ("parse.speaker", "The clerk: I lost my hat.")


@pytest.mark.parametrize("asked", ["hi. Sherlock Holmes: My dear fellow!", "hi\nHolmes: My dear fellow!"])
def test_the_characters_words_in_the_visitors_mouth_are_no_chat(asked: str) -> None:
    assert reason(in_json(asked, "Sit."), structured=True)[0] == "parse.others_words"


@pytest.mark.parametrize(
    "reply",
    [
        "Listen: he limps.",
        "Observe the man - a visitor, no more.",
        "I am at home, visitor or no visitor: come in.",
        "You - sit down.",
        "Here is the point: he limps.",
    ],
)
def test_colons_and_dashes_of_his_own_are_no_labels(reply: str) -> None:
    assert parsed(in_json("Who?", reply), structured=True) == ["Who?", reply]


@pytest.mark.parametrize(
    "token", ["<\uff5cbegin\u2581of\u2581sentence\uff5c>", "<think>", "</think>", "[SYSTEM_PROMPT]", "<extra_id_0>", "<|eot_id|>", "[/INST]"]
)
def test_a_control_token_of_any_model_is_no_word(token: str) -> None:
    assert reason(in_json("Who?", f"The {token} verger."), structured=True) == ("parse.control", token)
