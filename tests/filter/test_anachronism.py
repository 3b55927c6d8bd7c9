"""Words out of the character's time: what they drop, whose they must be, and the real talk that they must leave alone."""

from __future__ import annotations

import json

import pytest

from stages.common.chats import normal
from stages.filter.anachronism import anachronism, first_years, later
from stages.filter.phrases import Said
from stages.filter.talk import Drop
from tests.chats import make_chat
from tests.filter.rules import limits, talk
from tests.project import ROOT


def found(reply: str, year: int | None = 1895, asked: str = "Well?", **changed: object) -> Drop | None:
    return anachronism(talk(make_chat(asked, reply), year=year), limits(**changed))


def test_a_word_that_came_up_later_drops_the_chat_and_is_named_with_its_year() -> None:
    assert found("I looked it up on my smartphone.") == Drop("anachronism", "smartphone (1980)", "words of 1895")


@pytest.mark.parametrize(
    "reply, named",
    [
        ("Two Smartphones!", "smartphones (1980)"),
        ("He sent me an e-mail, OK?", "e mail (1979)"),
        ("An artificial intelligence did it.", "artificial intelligence (1955)"),
        ("Television, and the radio's noise.", "radio (1901), television (1900)"),
    ],
)
def test_plurals_hyphens_and_phrases_are_found_whatever_their_case(reply: str, named: str) -> None:
    assert found(reply).found == named


def test_the_visitor_may_say_what_he_likes() -> None:
    assert found("I know of no such thing.", asked="Have you a smartphone, and an e-mail address?") is None


def test_the_year_is_the_characters_own() -> None:
    reply = "I took a photograph of the dinosaur, and sent a telegram."
    assert [found(reply, year) is None for year in (1765, 1851, 1852, None)] == [False, False, True, True]


def test_a_word_of_the_very_year_is_no_anachronism() -> None:
    assert found("A fine telegram.", 1852) is None
    assert found("A fine telegram.", 1851) is not None


def test_as_many_words_pass_as_the_limit_allows_and_one_said_twice_is_one() -> None:
    assert found("A robot, I say, a robot!", max_anachronisms=1) is None
    assert found("A robot by television!", max_anachronisms=1).found == "robot (1920), television (1900)"


def test_a_phrase_does_not_reach_from_one_reply_into_the_next() -> None:
    said = make_chat("Well?", "It is all artificial", "And?", "intelligence was wanting.")
    assert anachronism(talk(said, year=1895), limits()) is None


def test_the_list_is_long_reaches_from_1650_to_2022_and_is_in_normal_form() -> None:
    years = first_years()
    assert len(years) >= 2 * 400
    assert 1650 <= min(years.values()) and max(years.values()) <= 2025
    assert [word for word in years if normal(word) != word] == []


@pytest.mark.parametrize("year, word", [(1765, "telegraph"), (1812, "photograph"), (1895, "television"), (1990, "podcast")])
def test_each_time_has_words_that_it_does_not_know(year: int, word: str) -> None:
    assert later(year).count(Said([[word]])) == {word: 1}


@pytest.mark.parametrize("character", ["sherlock-holmes", "john-silver", "elizabeth-bennet"])
def test_no_gold_chat_is_dropped_for_a_word(character: str) -> None:
    year = json.loads((ROOT / f"data/characters/{character}.json").read_text(encoding="utf-8"))["data"]["extensions"]["dramatis"]["year"]
    chats = [json.loads(line) for line in (ROOT / f"data/gold/{character}.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(chats) >= 90
    assert [drop for chat in chats if (drop := anachronism(talk(chat, year=year), limits()))] == []
