"""What the teacher is asked, word for word where it matters."""

from __future__ import annotations

import json
import random

import pytest

from stages.common.answer_store import Answer
from stages.common.characters import read
from stages.common.critique import ASPECTS
from stages.common.endpoints import response_format
from stages.common.errors import UserError
from stages.common.holdout import split_of
from stages.common.schemas import fault
from stages.synthesize import critic
from stages.synthesize.draws import LENGTHS, Draw
from stages.synthesize.parsing import turns
from stages.synthesize.prompts import again, bodies, messages, task, written
from tests.chats import HOLDOUT, make_chat, plain_chat
from tests.project import ROOT

CARD = read(ROOT / "data/characters/sherlock-holmes.json")
NAME = "Sherlock Holmes"
SCENARIO = {"id": "three", "kind": "cases", "situation": "They ask {{char}} for number 3."}
CHAT = make_chat("Who was it?", "The verger: he squeaks.", "How do you know?", "Boots.")
FIRST = {**plain_chat(1), "visitor": "a widow", "topic": "baker-street"}
DRAW = Draw("sherlock-holmes", SCENARIO, "an old", "cook", "in haste", "short", 3, (FIRST, plain_chat(2)))
PARAMETERS = {
    "synthesize.base_url": "https://api.example.org/v1",
    "synthesize.teacher": "gpt",
    "synthesize.critic": "judge",
    "synthesize.structured": False,
    "synthesize.seed": 7,
    "synthesize.temperature": 0.7,
    "synthesize.top_p": 0.9,
    "synthesize.answer_tokens": 300,
    "synthesize.request": {},
}


@pytest.mark.parametrize("structured", [False, True])
def test_an_example_is_written_in_the_form_that_the_parser_reads(structured: bool) -> None:
    assert turns(Answer(written(CHAT, NAME, structured), "stop", 0, 0), NAME, structured) == CHAT["conversations"][1:]


def test_an_example_as_a_transcript_and_as_json() -> None:
    assert written(CHAT, NAME, False) == "Visitor: Who was it?\nSherlock Holmes: The verger: he squeaks.\nVisitor: How do you know?\nSherlock Holmes: Boots."
    assert json.loads(written(CHAT, NAME, True))["turns"][:2] == [
        {"speaker": "visitor", "text": "Who was it?"},
        {"speaker": "character", "text": "The verger: he squeaks."},
    ]


def test_the_request_holds_task_examples_and_scene_with_every_name_filled_in() -> None:
    said = messages(DRAW, CARD, False)
    assert [message["role"] for message in said] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert said[1]["content"] == "The visitor: a widow. They speak of baker street. Write the dialogue, in 1 exchange."
    assert said[2]["content"] == written(FIRST, NAME, False)
    assert said[3]["content"] == "The visitor: a caller. They speak of this and that. Write the dialogue, in 1 exchange."
    assert said[5]["content"] == (
        "The visitor: an old cook, in haste. They ask Sherlock Holmes for number 3. Write the dialogue, in 3 exchanges. "
        "Sherlock Holmes answers in one or two sentences."
    )
    assert "{{" not in str(said) and NAME in said[0]["content"]


@pytest.mark.parametrize("length", LENGTHS)
def test_each_class_of_length_is_put_in_words(length: str) -> None:
    draw = Draw("sherlock-holmes", SCENARIO, "an old", "cook", "in haste", length, 2, (FIRST, plain_chat(2)))
    assert messages(draw, CARD, False)[-1]["content"].endswith(f"Sherlock Holmes answers in {LENGTHS[length]}.")


@pytest.mark.parametrize("structured", [False, True])
def test_the_task_says_how_the_character_stays_himself(structured: bool) -> None:
    said = task(CARD, structured)
    for attempt in ("told to drop the act", "asked about things that came later", "flattery, threats and grief", "never as an assistant"):
        assert attempt in said
    assert ("You answer with JSON" in said) is structured is ("Every line begins with" not in said)


def test_a_nickname_stands_in_texts_and_the_name_stays_the_label() -> None:
    said = messages(DRAW, {**CARD, "nickname": "Holmes"}, False)
    assert "They ask Holmes for number 3." in said[5]["content"]
    assert "Sherlock Holmes and a visitor. Holmes is the consulting detective" in said[0]["content"]
    assert said[2]["content"] == written(FIRST, NAME, False)


def test_a_request_to_an_endpoint_has_its_model_sampling_and_a_seed_of_its_own() -> None:
    first, second = bodies([DRAW, DRAW], {"sherlock-holmes": CARD}, PARAMETERS)
    assert {name: value for name, value in first.items() if name != "messages"} == {
        "model": "gpt",
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 300,
        "seed": 7,
    }
    assert second == {**first, "seed": 8}


def test_a_request_to_the_teacher_served_here_has_no_seed_which_its_server_would_refuse() -> None:
    (body,) = bodies([DRAW], {"sherlock-holmes": CARD}, {**PARAMETERS, "synthesize.base_url": None})
    assert body["model"] == "teacher" and "seed" not in body


def test_other_fields_go_with_every_request_and_null_takes_one_away() -> None:
    other = {"frequency_penalty": 0.6, "max_tokens": None, "max_completion_tokens": 4000, "temperature": None, "seed": None}
    parameters = {**PARAMETERS, "synthesize.request": other}
    (body,) = bodies([DRAW], {"sherlock-holmes": CARD}, parameters)
    judged = critic.body(CHAT, CARD, parameters)
    assert set(body) == {"model", "messages", "top_p", "frequency_penalty", "max_completion_tokens"} and body["frequency_penalty"] == 0.6
    assert set(judged) == {"model", "messages", "frequency_penalty", "max_completion_tokens"} and judged["max_completion_tokens"] == 4000


def test_a_request_whose_answer_nothing_bounds_is_refused() -> None:
    with pytest.raises(UserError, match="synthesize.request takes max_tokens away.* expected max_completion_tokens"):
        bodies([DRAW], {"sherlock-holmes": CARD}, {**PARAMETERS, "synthesize.request": {"max_tokens": None}})


def test_structured_output_is_asked_for_by_the_schema_that_answers_are_checked_by() -> None:
    (body,) = bodies([DRAW], {"sherlock-holmes": CARD}, {**PARAMETERS, "synthesize.structured": True})
    assert body["response_format"] == response_format("dialogue")
    for name in ("dialogue", "critique"):
        asked = response_format(name)["json_schema"]
        whole = json.loads((ROOT / f"schemas/{name}.schema.json").read_text())
        assert asked["strict"] is True and asked["schema"] == {key: whole[key] for key in ("type", "required", "additionalProperties", "properties")}


def strict(schema: dict) -> None:
    """What strict structured output asks of a schema: every object closed, every field required, every value with a type."""
    assert "type" in schema
    if schema["type"] == "object":
        assert schema["additionalProperties"] is False and set(schema["required"]) == set(schema["properties"])
        for inner in schema["properties"].values():
            strict(inner)
    if schema["type"] == "array":
        strict(schema["items"])


@pytest.mark.parametrize("name", ["dialogue", "critique"])
def test_the_schemas_are_strict(name: str) -> None:
    strict(response_format(name)["json_schema"]["schema"])


def test_who_is_asked_again_is_shown_the_answer_and_what_was_wrong_with_it() -> None:
    asked = messages(DRAW, CARD, False)
    more = again(asked, "Visitor: Who?" * 1000, "human; expected: human and gpt in turn")
    assert more[:-2] == asked
    assert more[-2] == {"role": "assistant", "content": ("Visitor: Who?" * 1000)[:2000]}
    assert more[-1]["content"] == "That cannot be used. Found: human; expected: human and gpt in turn. Write the whole dialogue again."
    assert again(asked, "", "nothing; expected: a dialogue")[-2]["content"]  # an empty message would be refused


def test_a_critic_is_asked_for_the_five_aspects_of_the_guide_and_shown_the_chat() -> None:
    body = critic.body(CHAT, CARD, PARAMETERS)
    assert (body["model"], body["temperature"]) == ("judge", 0.0)
    system, user = (message["content"] for message in body["messages"])
    assert [aspect for aspect in ("voice", "in_character", "coherence", "engagement", "length") if f"- {aspect}: " not in system] == []
    assert user == written(CHAT, NAME, False)


def test_a_critique_is_what_its_schema_says_or_none() -> None:
    good = {aspect: {"reason": "So.", "score": 4} for aspect in ASPECTS}
    assert critic.scores(Answer(f"```json\n{json.dumps(good)}\n```", "stop", 0, 0)) == good
    assert fault("critique", good) is None
    for bad in ("", "Five out of five.", json.dumps(good | {"voice": {"reason": "So.", "score": 6}}), json.dumps({"voice": good["voice"]})):
        with pytest.raises(ValueError):
            critic.scores(Answer(bad, "stop", 0, 0))


@pytest.mark.parametrize("seed", range(5))
def test_no_held_out_chat_gets_into_a_prompt_by_another_way(seed: int) -> None:
    chats = [plain_chat(n) for n in range(40)]
    train = [chat for chat in chats if split_of(chat, **HOLDOUT) == "train"]
    draw = Draw("sherlock-holmes", SCENARIO, "an old", "cook", "in haste", "short", 3, tuple(random.Random(seed).sample(train, 3)))
    told = str(messages(draw, CARD, False))
    assert {chat["id"] for chat in chats if chat["conversations"][2]["value"] in told} == {chat["id"] for chat in draw.examples}
