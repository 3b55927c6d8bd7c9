"""A talk as it grows: what the model is sent, what is taken back, tried again, edited, and what becomes of it outside."""

from __future__ import annotations

import pytest

from stages.common import characters
from stages.common.errors import UserError
from stages.common.schemas import fault
from tests.cards import book, v2
from tools.chat import records
from tools.chat.records import Consent
from tools.chat.talk import Answer, Talk, begin, read

ENTRY = {"keys": ["photograph"], "content": "The photograph is in {{char}}'s safe.", "constant": False}
CARDS = {"irene-adler": characters.usable(v2(first_mes="Good evening, {{user}}. I am {{char}}.", character_book=book(ENTRY)), "card")}
YES = Consent("A. Reader", "CC-BY-4.0")


def talk(*said: str) -> Talk:
    """Asked and answered in turn."""
    one = begin("irene-adler", CARDS, "the visitor")
    for asked, answered in zip(said[::2], said[1::2], strict=True):
        one = one.ask(asked).answer(Answer("tuned", answered))
    return one


def test_the_greeting_is_shown_with_its_macros_filled_and_not_sent() -> None:
    assert talk().greeting == "Good evening, the visitor. I am Irene Adler."
    assert talk().ask("Good evening.").prompt(0) == [{"role": "system", "content": "You are Irene Adler."}, {"role": "user", "content": "Good evening."}]


def test_a_question_is_sent_with_all_that_was_said_before_and_the_lore_that_it_calls_up() -> None:
    sent = talk("Who are you?", "A singer.").ask("Where is the photograph?").prompt(1)
    assert [one["role"] for one in sent] == ["system", "user", "assistant", "user"]
    assert "The photograph is in Irene Adler's safe." in sent[0]["content"]
    assert "photograph" not in talk("Who are you?", "A singer.").prompt(0)[0]["content"]


def test_a_second_answer_takes_the_place_of_the_first_which_is_kept() -> None:
    one = talk("Who are you?", "Nobody.").answer(Answer("tuned", "A singer."))
    assert [turn["value"] for turn in one.turns] == ["Who are you?", "A singer."]
    assert [answer.text for answer in one.exchanges[0].answers] == ["Nobody.", "A singer."]


def test_what_was_edited_is_what_the_talk_goes_on_with() -> None:
    one = talk("Who are you?", "An AI.").edit("A singer.")
    assert one.ask("Of what?").prompt(1)[2]["content"] == "A singer."
    assert one.exchanges[0].answers[0].text == "An AI."


def test_what_was_asked_in_vain_is_gone_with_the_next_question_and_in_no_record() -> None:
    one = talk("Who are you?", "A singer.").ask("Hello?")
    assert len(one.turns) == 2
    assert [exchange.asked for exchange in one.ask("Are you there?").exchanges] == ["Who are you?", "Are you there?"]
    assert one.undo() == talk("Who are you?", "A singer.") and one.undo().undo() == talk()


def test_another_system_prompt_stands_in_place_of_the_cards() -> None:
    one = talk().tell("You are {{char}}, and tired.").ask("Well?")
    assert one.prompt(0)[0]["content"] == "You are Irene Adler, and tired."
    assert one.tell(None).prompt(0)[0]["content"] == "You are Irene Adler."


def test_a_gold_line_fits_its_schema_and_an_exported_chat_begins_with_what_the_model_was_told() -> None:
    one = talk("Who are you?", "A singer.", "Of what?", "Of songs.")
    assert fault("gold", records.gold(one, YES)) is None and fault("gold", records.sharegpt(one, YES)) is None
    assert records.gold(one, YES)["conversations"] == one.turns
    assert records.sharegpt(one, YES)["conversations"][0] == {"from": "system", "value": "You are Irene Adler."}


def test_an_edit_is_chosen_over_what_it_was_made_of() -> None:
    (pair,) = records.pairs(talk("Who are you?", "A singer.", "Of what?", "Of code.").edit("Of songs."), YES)
    assert [turn["content"] for turn in pair["prompt"]] == ["You are Irene Adler.", "Who are you?", "A singer.", "Of what?"]
    assert (pair["chosen"], pair["rejected"]) == ([{"role": "assistant", "content": "Of songs."}], [{"role": "assistant", "content": "Of code."}])
    assert (pair["user"], pair["license"], pair["consent"]) == ("A. Reader", "CC-BY-4.0", True)


def test_each_thumb_up_is_chosen_over_each_thumb_down_to_the_same_words_and_over_no_other() -> None:
    first = begin("irene-adler", CARDS, "the visitor").ask("Who are you?")
    first = first.answer(Answer("base", "An AI.", thumb="down")).answer(Answer("tuned", "Nobody.")).answer(Answer("tuned", "A singer.", thumb="up"))
    second = first.ask("Of what?").answer(Answer("tuned", "Of code.", thumb="down"))
    assert [(pair["chosen"][0]["content"], pair["rejected"][0]["content"]) for pair in records.pairs(second, YES)] == [("A singer.", "An AI.")]


def test_an_edit_that_changed_nothing_and_two_equal_answers_make_no_pair() -> None:
    one = talk("Who are you?", "A singer.").edit("A singer. ").answer(Answer("tuned", "Yes.", thumb="up")).answer(Answer("tuned", "Yes.", thumb="down"))
    assert records.pairs(one, YES) == []


@pytest.mark.parametrize(
    "given",
    [
        (False, "A", "MIT"),
        ("true", "A", "MIT"),
        (1, "A", "MIT"),
        (True, " \n", "MIT"),
        (True, None, "MIT"),
        (True, "\udcff\udcfe", "MIT"),
        (True, "A", "my own"),
    ],
)
def test_anything_short_of_a_yes_a_name_and_a_licence_is_no_consent(given: tuple) -> None:
    with pytest.raises(UserError):
        records.consent(*given)


def sent(**changed: object) -> dict:
    """A talk as the page sends it."""
    answer = {"speaker": "tuned", "text": "A singer.", "finish": "stop", "edited": None, "thumb": None}
    return {"character": "irene-adler", "system": None, "exchanges": [{"asked": "Who are you?", "answers": [answer], "taken": 0}], **changed}


def test_a_talk_that_a_page_sends_is_read_as_it_is() -> None:
    assert read(sent(), CARDS, "the visitor") == talk("Who are you?", "A singer.")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "no talk: None is not of type 'object'"),
        (sent(character="nobody"), "no character 'nobody'; cards: irene-adler"),
        (sent(character="../x"), "no talk: character"),
        (sent(system="  "), "no talk: system"),
        (sent(exchanges=[{"asked": "Who?", "answers": [], "taken": 1}]), "exchanges.0: no answer 1 among 0"),
        (sent(exchanges=[{"asked": "Who?", "answers": [], "taken": 0}] * 2), "exchanges.0: no answer 0 among 0"),
        (sent(exchanges=[{"asked": "\ud800", "answers": [], "taken": 0}]), "half a surrogate pair"),
    ],
)
def test_a_talk_that_is_none_is_refused_in_one_sentence(value: object, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read(value, CARDS, "the visitor")
