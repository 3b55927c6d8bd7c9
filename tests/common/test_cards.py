"""What a card says is the same in every spec, and survives the way from one to another."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given

from stages.common import cards
from stages.common.errors import UserError
from tests.cards import ENTRY, V1_CARDS, V2_CARDS, V3_CARDS, book, v1, v2, v3

V3_ONLY = {
    "assets": [{"type": "icon", "uri": "ccdefault:", "name": "main", "ext": "png"}],
    "nickname": "The Woman",
    "creator_notes_multilingual": {"de": "Singt."},
    "source": ["https://example.org/irene"],
    "group_only_greetings": ["Gentlemen."],
    "creation_date": 0,
    "modification_date": 1.5,
}


def whole(card: object) -> dict:
    return cards.checked(card, "irene.json")


def refusal(card: object) -> str:
    with pytest.raises(UserError) as caught:
        whole(card)
    assert str(caught.value).startswith("irene.json: not a Character Card V") and "\n" not in str(caught.value)
    return str(caught.value).removeprefix("irene.json: not a Character Card ")


@pytest.mark.parametrize("card, spec", [(v1(), "V1"), (v2(), "V2"), (v3(), "V3"), ({"data": v2()["data"]}, "V2"), ([], "V2")])
def test_a_card_is_of_the_spec_that_it_names_and_without_one_of_its_shape(card: object, spec: str) -> None:
    assert cards.version(card) == spec


def test_all_specs_have_one_normal_form() -> None:
    first = cards.normal(whole(v1(system_prompt="You are {{char}}.")))
    assert first == cards.normal(whole(v2())) == cards.normal(whole(v3())) == cards.normal(whole({"data": v2()["data"]})) == v3()["data"]


def test_what_a_card_may_leave_out_is_there_and_empty() -> None:
    assert whole(v1())["data"] == {**v2()["data"], "system_prompt": ""}
    lore = {"entries": [{key: ENTRY[key] for key in ("keys", "content", "enabled", "insertion_order")}]}
    assert whole(v3(character_book=lore))["data"]["character_book"] == {"extensions": {}, "entries": [{**ENTRY, "use_regex": False}]}
    assert whole(v2(character_book=None))["data"]["character_book"] is None


def test_fields_that_no_spec_knows_stay_wherever_they_are() -> None:
    lore = book({"x-entry": 1}, **{"x-book": 2})
    card = {**v2(extensions={"x/y": {"z": None}}, x=3, character_book=lore), "create_date": "today", "name": "as V1 has it"}
    assert whole(card) == card
    assert {**whole(v1(x=[4]))["data"]}["x"] == [4]


def test_what_v2_has_no_place_for_lies_in_its_extensions_and_comes_back() -> None:
    card = whole(v3(**V3_ONLY, extensions={"x": 1}, character_book=book({"use_regex": True}, {"use_regex": False})))
    lowered = cards.converted(card, "V2")
    assert (lowered["spec"], lowered["spec_version"]) == ("chara_card_v2", "2.0")
    assert lowered["data"]["extensions"] == {"x": 1, "dramatis/v3": V3_ONLY}
    assert not set(V3_ONLY) & set(lowered["data"])
    assert [entry["extensions"] for entry in lowered["data"]["character_book"]["entries"]] == [{"dramatis/v3": {"use_regex": True}}, {}]
    assert "use_regex" not in str([{**entry, "extensions": 0} for entry in lowered["data"]["character_book"]["entries"]])
    assert whole(lowered) == lowered
    assert cards.converted(lowered, "V3") == card
    assert cards.normal(lowered) == cards.normal(card)


def test_what_a_v3_card_still_keeps_from_its_time_as_v2_is_not_lost() -> None:
    card = whole(v3(source=["new"], extensions={"dramatis/v3": {"nickname": "The Woman", "source": ["old"]}}))
    again = cards.converted(cards.converted(card, "V2"), "V3")["data"]
    assert (again["nickname"], again["source"], again["extensions"]) == ("The Woman", ["new"], {})


@given(V3_CARDS)
def test_a_v3_card_is_unchanged_after_v2(card: dict) -> None:
    before = copy.deepcopy(card)
    first = whole(card)
    lowered = cards.converted(first, "V2")
    assert whole(lowered) == lowered
    assert cards.converted(lowered, "V3") == first
    assert whole(first) == first
    assert card == before, "what is given is not changed"


@given(V2_CARDS)
def test_a_v2_card_is_unchanged_after_v3(card: dict) -> None:
    first = whole(card)
    raised = cards.converted(first, "V3")
    assert whole(raised) == raised
    assert cards.converted(raised, "V2") == first
    assert {key: first["data"][key] for key in card["data"] if key != "character_book"} == {k: v for k, v in card["data"].items() if k != "character_book"}


@given(V1_CARDS)
def test_every_field_of_a_v1_card_is_there_in_v3(card: dict) -> None:
    assert cards.normal(whole(card)).items() >= card.items()


@pytest.mark.parametrize(
    "card, said",
    [
        ({}, "V1 (it has no spec): 'name' is a required property"),
        (v1(description=7), "V1 (it has no spec): description: 7 is not of type 'string'"),
        ({"data": {"name": "Irene"}}, "V2 (it has no spec): data: 'description' is a required property"),
        ({"data": 5}, "V2 (it has no spec): data: 5 is not of type 'object'"),
        ("Irene", "V2: 'Irene' is not of type 'object'"),
        ({**v2(), "spec": "chara_card_v4"}, "V2: spec: 'chara_card_v2' was expected"),
        ({**v3(), "spec_version": 3}, "V3: spec_version: 3 is not of type 'string'"),
        (v3(nickname=None), "V3: data.nickname: None is not of type 'string'"),
        (v3(source="https://example.org"), "V3: data.source: 'https://example.org' is not of type 'array'"),
        (v3(assets=[{"type": "icon"}]), "V3: data.assets.0: 'uri' is a required property"),
        (v3(creation_date="today"), "V3: data.creation_date: 'today' is not of type 'number'"),
        (v2(extensions={"dramatis/v3": {"nickname": 7}}), "V2: data.extensions.dramatis/v3.nickname: 7 is not of type 'string'"),
        (v2(character_book={}), "V2: data.character_book: 'entries' is a required property"),
        (v2(character_book=book({"keys": "violin"})), "V2: data.character_book.entries.0.keys: 'violin' is not of type 'array'"),
        (v2(character_book=book({}, {"insertion_order": "first"})), "V2: data.character_book.entries.1.insertion_order: 'first' is not of type 'number'"),
        (v2(character_book=book(scan_depth=-1)), "V2: data.character_book.scan_depth: -1 is less than the minimum of 0"),
    ],
)
def test_the_field_that_is_wrong_is_named(card: object, said: str) -> None:
    assert refusal(card) == said


def test_a_v2_field_that_only_bears_a_v3_name_is_kept_but_makes_no_v3_card() -> None:
    card = whole(v2(source="a book"))
    assert card["data"]["source"] == "a book"
    with pytest.raises(UserError, match="data.source: 'a book' is not of type 'array'"):
        whole(cards.converted(card, "V3"))
