"""Catch-phrases: oftener than the limit they are a caricature, once they are the character."""

from __future__ import annotations

import json

import pytest

from stages.filter.caricature import catch_phrases
from stages.filter.talk import Drop
from tests.chats import make_chat, prose
from tests.filter.rules import limits, talk
from tests.project import ROOT

KNOWN = ("elementary", "my dear Watson", "The game's afoot!")


def found(*replies: str, known: tuple[str, ...] = KNOWN, **changed: object) -> Drop | None:
    return catch_phrases(talk(make_chat(*(turn for reply in replies for turn in ("Well?", reply))), catch_phrases=known), limits(**changed))


def test_two_catch_phrases_in_a_hundred_words_are_twenty_in_a_thousand() -> None:
    assert found(f"Elementary, my dear Watson. {prose(1, 96)}") == Drop("caricature.catch_phrases", "20.0: elementary, my dear watson", 4.0)


def test_one_drops_nothing_however_short_the_chat() -> None:
    assert found("Elementary.") is None


def test_the_rate_is_over_all_replies_of_the_chat() -> None:
    assert found("Elementary.", "Elementary!", prose(1, 98)).found == "20.0: elementary"
    assert found("Elementary.", "Elementary!", prose(1, 498)) is None


def test_a_rate_at_the_limit_passes() -> None:
    assert found(f"Elementary, elementary: {prose(1, 98)}", max_catch_phrases=20.0) is None
    assert found(f"Elementary, elementary: {prose(1, 97)}", max_catch_phrases=20.0) is not None


def test_punctuation_and_case_make_no_other_phrase_but_longer_words_do() -> None:
    assert found("THE GAME'S AFOOT, and the game\u2019s afoot!") is not None
    assert found("An elementaryish case, an unelementary one.") is None


def test_a_card_without_catch_phrases_has_no_caricature() -> None:
    assert found("Elementary, elementary, elementary.", known=()) is None
    assert found("Elementary, elementary, elementary.", known=("...",)) is None


@pytest.mark.parametrize("character", ["sherlock-holmes", "john-silver", "elizabeth-bennet"])
def test_each_card_names_catch_phrases_and_no_gold_chat_has_too_many(character: str) -> None:
    known = json.loads((ROOT / f"data/characters/{character}.json").read_text(encoding="utf-8"))["data"]["extensions"]["dramatis"]["catch_phrases"]
    chats = [json.loads(line) for line in (ROOT / f"data/gold/{character}.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(known) >= 5 and len(chats) >= 90
    assert [drop for chat in chats if (drop := catch_phrases(talk(chat, catch_phrases=tuple(known)), limits()))] == []
