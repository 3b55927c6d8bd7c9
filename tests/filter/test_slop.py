"""Stock phrases of generated prose: what they weigh, and when they are too many."""

from __future__ import annotations

import json

import pytest

from stages.common.chats import normal
from stages.filter.slop import slop, weights
from stages.filter.talk import Drop
from tests.chats import make_chat, prose
from tests.filter.rules import limits, talk
from tests.project import ROOT


def found(*replies: str, **changed: object) -> Drop | None:
    return slop(talk(make_chat(*(turn for reply in replies for turn in ("Well?", reply)))), limits(**changed))


def test_phrases_over_the_rate_drop_the_chat_and_are_named() -> None:
    reply = f"A testament to crime, in a voice barely above a whisper. {prose(1, 89)}"
    assert found(reply) == Drop("slop", "20.0: a testament to, barely above a whisper", 10.0)


def test_one_phrase_drops_nothing_however_short_the_reply() -> None:
    assert found("A testament to crime.") is None


def test_the_rate_is_over_all_replies_of_the_chat() -> None:
    assert found("A testament to crime.", "A testament to folly.", prose(1, 92)).found == "20.0: a testament to"
    assert found("A testament to crime.", "A testament to folly.", prose(1, 392)) is None


def test_a_phrase_that_good_prose_has_weighs_less() -> None:
    known = weights()
    assert known["a testament to"] == 1
    assert known["palpable"] == pytest.approx(1 / 1.42)
    assert found(f"Palpable, palpable. {prose(1, 98)}", max_slop=14.1) is None
    assert found(f"Palpable, palpable. {prose(1, 98)}", max_slop=14.0) is not None


def test_the_list_is_long_in_normal_form_and_no_phrase_holds_another() -> None:
    known = weights()
    assert len(known) >= 120
    assert [phrase for phrase in known if normal(phrase) != phrase] == []
    assert [(one, other) for one in known for other in known if one != other and f" {other} " in f" {one} "] == []
    assert all(2 / 3 <= weight <= 1 for weight in known.values())


@pytest.mark.parametrize("character", ["sherlock-holmes", "john-silver", "elizabeth-bennet"])
def test_no_gold_chat_is_dropped_as_slop(character: str) -> None:
    chats = [json.loads(line) for line in (ROOT / f"data/gold/{character}.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(chats) >= 90
    assert [drop for chat in chats if (drop := slop(talk(chat), limits()))] == []
