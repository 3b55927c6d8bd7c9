"""The chat record: its id, its parts, and reading it back."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.common.chats import chat_id, normal, opening, read, spoken, words
from stages.common.errors import UserError
from stages.common.schemas import fault
from tests.chats import jsonl, make_chat, plain_chat

TURNS = [{"from": "human", "value": "Who was it?"}, {"from": "gpt", "value": "The verger."}]


def test_an_id_is_the_same_in_every_version_of_the_code() -> None:
    assert chat_id("sherlock-holmes", "gold", TURNS) == "sherlock-holmes-gold-0e338d8eb68b"


def test_the_system_prompt_is_no_part_of_the_id() -> None:
    assert chat_id("a", "gold", [{"from": "system", "value": "Be brief."}, *TURNS]) == chat_id("a", "gold", TURNS)


@pytest.mark.parametrize(
    "turns",
    [
        TURNS[::-1],
        [TURNS[0], {"from": "gpt", "value": "The verger"}],
        [{"from": "human", "value": "Who was it?The verger."}],
        [{"from": "gpt", "value": "Who was it?"}, {"from": "human", "value": "The verger."}],
        [*TURNS, *TURNS],
    ],
)
def test_other_words_another_order_and_other_speakers_give_another_id(turns: list[dict]) -> None:
    assert chat_id("a", "gold", turns) != chat_id("a", "gold", TURNS)


def test_the_same_words_of_two_characters_or_kinds_have_two_ids() -> None:
    assert len({chat_id(c, k, TURNS)[-12:] for c in ("a", "b") for k in ("gold",)}) == 2
    assert chat_id("a", "synthetic", TURNS).startswith("a-synthetic-")


def test_the_parts_of_a_chat_come_in_their_order() -> None:
    chat = make_chat("One?", "Two.", "Three?", "Four.")
    assert fault("chat", chat) is None
    assert (spoken(chat, "human"), spoken(chat, "gpt"), opening(chat)) == (["One?", "Three?"], ["Two.", "Four."], "One?")
    assert spoken(chat, "system") == ["You are Sherlock Holmes."]


@pytest.mark.parametrize(
    "text, plain",
    [
        ("  It\u2019s  a TEST\u2014now!\n", "it s a test now"),
        ("\ufb01ne \uff21\uff22", "fine ab"),
        ("Stra\u00dfe", "strasse"),
        ("caf\u0065\u0301", "caf\u00e9"),
        ("?!...", ""),
    ],
)
def test_the_normal_form_drops_what_does_not_make_it_another_text(text: str, plain: str) -> None:
    assert normal(text) == plain


def test_words_are_counted_by_white_space() -> None:
    assert words("A well-known \u2014 fact,\n sir.") == 5
    assert words(" ") == 0


def test_chats_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    written = [plain_chat(n) for n in range(3)]
    (tmp_path / "chats.jsonl").write_text(jsonl(written))
    assert read(tmp_path / "chats.jsonl") == written


def without(name: str) -> dict:
    return {key: value for key, value in plain_chat(1).items() if key != name}


@pytest.mark.parametrize(
    "bad, said",
    [
        (without("id"), "'id' is a required property"),
        (without("source"), "'source' is a required property"),
        ({**plain_chat(1), "mood": "gay"}, "'mood' was unexpected"),
        ({**plain_chat(1), "id": "no id"}, "id: 'no id' does not match"),
        ({**plain_chat(1), "source": {"kind": "rumour", "license": "x"}}, "source.kind: 'rumour' is not one of"),
        (make_chat("Question?", " "), "conversations.2.value: ' ' does not match"),
    ],
)
def test_a_record_that_is_no_chat_is_named_with_file_and_line(tmp_path: Path, bad: dict, said: str) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text(jsonl([plain_chat(0), bad]))
    with pytest.raises(UserError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:2: ") and said in str(caught.value)


@pytest.mark.parametrize(
    "said", [(), ("Only a question?",), ("A?", "B.", "And?"), ("A?", "\ud800 half a character.")], ids=["nothing", "no reply", "no last reply", "surrogate"]
)
def test_a_chat_that_a_later_step_could_not_use_is_refused_when_it_is_read(tmp_path: Path, said: tuple[str, ...]) -> None:
    """split takes the first human turn and hashes it, train learns from the last reply: neither may find out by a traceback."""
    import json

    chat = make_chat("A?", "B.") | {"conversations": make_chat_turns(said)}
    (tmp_path / "chats.jsonl").write_text(json.dumps(chat) + "\n")
    with pytest.raises(UserError, match=r"chats\.jsonl:1: "):
        read(tmp_path / "chats.jsonl")


def make_chat_turns(said: tuple[str, ...]) -> list[dict]:
    turns = [{"from": "human" if place % 2 == 0 else "gpt", "value": text} for place, text in enumerate(said)]
    return [{"from": "system", "value": "You are Sherlock Holmes."}] * max(1, 3 - len(turns)) + turns
