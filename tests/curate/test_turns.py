"""From the turns of an export to a chat: what is mended, what is counted, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.curate.faults import Fault
from stages.curate.turns import QUOTES, Cleaner, normalise

HOLMES = Cleaner("Holmes", "Sherlock Holmes", "the visitor", "straight")


def cleaned(*said: tuple[str, str], **options: object):
    return HOLMES.clean([({"h": "human", "c": "gpt", "s": "system"}[who], text) for who, text in said], **options)


def values(*said: tuple[str, str], **options: object) -> list[str]:
    return [turn["value"] for turn in cleaned(*said, **options).turns]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cafe\u0301", "caf\u00e9"),
        ("one\r\ntwo\rthree\n", "one\ntwo\nthree"),
        ("zero\u200bwidth\ufeff and\u2060 joined\u200d here", "zerowidth and joined here"),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f468\u200d\U0001f469",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f468\u200d\U0001f469",
        ),
        ("soft\u00adhyphen \u202eturned\u202c", "softhyphen turned"),
        ("bell\x07 and \x1b[31mred\x00", "bell and [31mred"),
        ("\u201cIt\u2019s mine,\u201d he said", '"It\'s mine," he said'),
        ("  tabs\tstay  ", "tabs\tstay"),
    ],
    ids=["NFC", "line ends", "zero width", "joiners of other scripts", "hyphens and directions", "control characters", "quotes", "outer space"],
)
def test_one_text_for_one_thing_said(text, expected):
    assert normalise(text, "straight") == expected


def test_quotes_can_be_curly_or_left_alone():
    assert normalise("\"It's 'mine',\" he said", "curly") == "\u201cIt\u2019s \u2018mine\u2019,\u201d he said"
    assert normalise('\u201cmine\u201d "yours"', "keep") == '\u201cmine\u201d "yours"'


def test_half_a_surrogate_pair_is_refused():
    with pytest.raises(Fault, match="^encoding: half a surrogate pair"):
        normalise("broken \ud800", "keep")


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(QUOTES))
def test_normalising_twice_changes_nothing(text, quotes):
    once = normalise(text, quotes)
    assert normalise(once, quotes) == once


@pytest.mark.parametrize("macro", ["{{char}}", "{{CHAR}}", "<BOT>", "<bot>"])
def test_macros_are_filled(macro):
    assert values(("h", f"Are you {macro}?"), ("c", "I am {{user}}'s and <USER>'s.")) == ["Are you Holmes?", "I am the visitor's and the visitor's."]


@pytest.mark.parametrize("label", ["Holmes:", "Sherlock Holmes: ", "sherlock:", "**Holmes:** ", "{{char}}: ", "__Holmes__ : "])
def test_a_name_before_the_words_is_removed_and_counted(label):
    found = cleaned(("h", "User: Who?"), ("c", f"{label}The verger."))
    assert [turn["value"] for turn in found.turns] == ["Who?", "The verger."]
    assert found.mended == {"labels": 2}


def test_the_users_own_name_is_a_label_too():
    assert values(("h", "Ann: Who?"), ("c", "The verger."), names=["Ann"]) == ["Who?", "The verger."]
    assert values(("h", "Ann: Who?"), ("c", "The verger.")) == ["Ann: Who?", "The verger."]


def test_every_line_with_a_label_loses_it():
    found = cleaned(("h", "Who?"), ("c", "Sherlock Holmes: The verger.\nHolmes: Who else?"))
    assert (found.turns[1]["value"], found.mended) == ("The verger.\nWho else?", {"labels": 2})


def test_macros_with_spaces_are_filled_too():
    assert values(("h", "Are you {{ char }}?"), ("c", "I am, {{User }}.")) == ["Are you Holmes?", "I am, the visitor."]


def test_words_before_a_colon_that_are_no_name_stay():
    assert values(("h", "Consider: who?"), ("c", "Three things: the clay, Holmes: the boots.")) == [
        "Consider: who?",
        "Three things: the clay, Holmes: the boots.",
    ]


@pytest.mark.parametrize("line", ["{{user}}: I see!", "User: I see!", "You: I see!", "**the visitor:** I see!", "Ann: I see!"])
def test_a_character_that_speaks_for_the_user_is_marked(line):
    found = cleaned(("h", "Who?"), ("c", f"The verger.\n{line}\nQuite so."), names=["Ann"])
    assert found.marks == ["speaks-for-user"]
    assert cleaned(("h", "Who?"), ("c", "The verger."), names=["Ann"]).marks == []


def test_turns_of_one_speaker_are_joined_and_counted():
    found = cleaned(("h", "Who?"), ("h", "And why?"), ("c", "The verger."), ("c", "For gold."))
    assert [turn["value"] for turn in found.turns] == ["Who?\n\nAnd why?", "The verger.\n\nFor gold."]
    assert found.mended == {"joined": 2}


def test_a_greeting_and_a_last_unanswered_turn_are_cut_and_counted():
    found = cleaned(("c", "Come in."), ("h", "Who?"), ("c", "The verger."), ("h", "Thank you."))
    assert [turn["value"] for turn in found.turns] == ["Who?", "The verger."]
    assert found.mended == {"greetings": 1, "unanswered": 1}


def test_a_chat_written_by_hand_must_end_on_the_character():
    with pytest.raises(Fault, match="^turns: human, gpt, human; expected human and gpt in turn, the character last"):
        cleaned(("h", "Who?"), ("c", "The verger."), ("h", "Thank you."), strict=True)


def test_a_system_turn_goes_at_the_head_and_is_refused_later():
    assert values(("s", "Be a pirate."), ("h", "Who?"), ("c", "I.")) == ["Who?", "I."]
    with pytest.raises(Fault, match="^turns: a system turn after 2 others"):
        cleaned(("h", "Who?"), ("c", "I."), ("s", "Be a pirate."), ("h", "Oh?"), ("c", "No."))


@pytest.mark.parametrize("empty", ["", " \n", "\u200b", "Holmes: "])
def test_a_turn_without_words_is_refused(empty):
    with pytest.raises(Fault, match="^empty: turn 2 of gpt says nothing"):
        cleaned(("h", "Who?"), ("c", empty))


@pytest.mark.parametrize("token", ["<|im_end|>", "<|eot_id|>", "</s>", "<start_of_turn>", "[INST]", "<\u200b|im_start|>"])
@pytest.mark.parametrize("who", ["h", "c"])
def test_a_token_that_opens_or_ends_turns_is_refused_whoever_says_it(token, who):
    with pytest.raises(Fault, match="^control: a token that opens or ends turns, at character 4 of turn [12]; expected words"):
        cleaned(("h", f"Hi {token}" if who == "h" else "Hi"), ("c", f"Hi {token}"))


@pytest.mark.parametrize("said", [[], [("h", "Who?")], [("c", "Come in.")], [("c", "Come in."), ("h", "Who?")], [("s", "Be H.")]])
def test_without_an_answer_there_is_no_chat(said):
    with pytest.raises(Fault, match="^turns: no words of the visitor with an answer"):
        cleaned(*said)


@given(st.lists(st.tuples(st.sampled_from("hcs"), st.text(max_size=30)), max_size=8))
def test_whatever_was_said_there_is_a_chat_in_turn_or_a_fault(said):
    try:
        found = cleaned(*said)
    except Fault:
        return
    assert [turn["from"] for turn in found.turns] == ["human", "gpt"] * (len(found.turns) // 2)
    assert found.turns and all(turn["value"].strip() for turn in found.turns)
