"""One line of a gold file: the chat that comes of it, or the reason why none does."""

from __future__ import annotations

import json

import pytest

from stages.common.schemas import fault
from stages.curate.gold import to_chat
from tests.chats import gold_line, make_chat

CARD = {"name": "Sherlock Holmes", "system_prompt": "You are {{char}}; {{user}} is here.", "description": "", "personality": "", "scenario": ""}
PLACE = "data/gold/sherlock-holmes.jsonl"


def curated(line: str | object) -> tuple[dict | None, dict | None]:
    return to_chat(json.loads(line) if isinstance(line, str) else line, "sherlock-holmes", CARD, "the visitor", "CC-BY-4.0", PLACE, 12)


def test_a_good_line_becomes_a_whole_chat_record() -> None:
    chat, dropped = curated(gold_line(" Who was it, {{char}}? ", "The verger, {{USER}}.", topic="cases", visitor="widow"))
    said = ("Who was it, Sherlock Holmes?", "The verger, the visitor.")
    expected = make_chat(*said, file=PLACE, line=12)
    expected["conversations"][0]["value"] = "You are Sherlock Holmes; the visitor is here."
    assert dropped is None
    assert chat == {**expected, "topic": "cases", "visitor": "widow"}
    assert fault("chat", chat) is None


def test_the_cards_prompt_takes_the_place_of_the_chats_own() -> None:
    turns = [{"from": "system", "value": "Be a pirate."}, {"from": "human", "value": "Who?"}, {"from": "gpt", "value": "I."}]
    chat, _ = curated({"conversations": turns})
    assert [turn["value"] for turn in chat["conversations"]] == ["You are Sherlock Holmes; the visitor is here.", "Who?", "I."]
    assert "topic" not in chat and "visitor" not in chat


def test_a_nickname_is_what_the_character_is_called_in_a_chat() -> None:
    line = json.loads(gold_line("Who are you, {{char}}?", "I am {{char}}."))
    chat, _ = to_chat(line, "sherlock-holmes", {**CARD, "nickname": "Holmes"}, "the visitor", "CC-BY-4.0", PLACE, 12)
    assert [turn["value"] for turn in chat["conversations"]] == ["You are Holmes; the visitor is here.", "Who are you, Holmes?", "I am Holmes."]


def test_the_same_words_on_another_line_or_with_another_label_are_the_same_chat() -> None:
    first, _ = curated(gold_line("Who?", "I.", topic="cases"))
    second, _ = to_chat(json.loads(gold_line("Who?", "I.", visitor="duke")), "sherlock-holmes", CARD, "you", "MIT", "other.jsonl", 99)
    assert first["id"] == second["id"]


def test_a_line_that_is_not_json_is_a_reject_with_its_place() -> None:
    assert curated(ValueError("not JSON: Expecting value at column 3")) == (
        None,
        {"file": PLACE, "line": 12, "rule": "json", "found": "not JSON: Expecting value at column 3", "expected": "one JSON object a line"},
    )


@pytest.mark.parametrize(
    "value, found",
    [
        ([], "[] is not of type 'object'"),
        (None, "None is not of type 'object'"),
        ({}, "'conversations' is a required property"),
        ({"conversations": []}, "conversations: "),
        ({"conversations": [{"from": "human", "value": "Who?"}]}, "conversations: "),
        (json.loads(gold_line("Who?", "")), "conversations.1.value: "),
        (json.loads(gold_line("Who?", " \u00a0\t")), "conversations.1.value: "),
        ({"conversations": [{"from": "user", "value": "Who?"}, {"from": "gpt", "value": "I."}]}, "conversations.0.from: 'user' is not one of"),
        ({"conversations": [{"from": "human", "value": 7}, {"from": "gpt", "value": "I."}]}, "conversations.0.value: 7 is not of type 'string'"),
        ({"conversations": [{"from": "human"}, {"from": "gpt", "value": "I."}]}, "conversations.0: 'value' is a required property"),
        (json.loads(gold_line("Who?", "I.", mood="dark")), "'mood' was unexpected"),
        (json.loads(gold_line("Who?", "I.", topic="Cold Cases")), "topic: 'Cold Cases' does not match"),
    ],
)
def test_a_line_of_another_shape_is_a_reject_that_says_where(value: object, found: str) -> None:
    chat, dropped = curated(value)
    assert chat is None
    assert (dropped["rule"], dropped["line"], dropped["expected"]) == ("schema", 12, "schemas/gold.schema.json")
    assert found in dropped["found"]
    assert fault("reject", dropped) is None


@pytest.mark.parametrize(
    "speakers",
    ["gpt human", "human human", "human gpt human", "gpt human gpt", "human gpt gpt human", "system system human gpt", "system system"],
)
def test_turns_out_of_order_are_a_reject_that_lists_them(speakers: str) -> None:
    chat, dropped = curated({"conversations": [{"from": speaker, "value": "Yes."} for speaker in speakers.split()]})
    assert chat is None
    assert (dropped["rule"], dropped["found"]) == ("turns", speakers.replace(" ", ", "))


def test_a_huge_value_makes_a_short_reason() -> None:
    _, dropped = curated({"conversations": [{"from": "human", "value": "x" * 100_000, "mood": "y" * 100_000}, {"from": "gpt", "value": "I."}]})
    assert dropped["rule"] == "schema" and len(dropped["found"]) < 300
