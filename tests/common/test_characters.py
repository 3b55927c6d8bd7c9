"""Character cards: what is read, what is filled in, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.common.characters import fill, read, read_all, system_prompt
from stages.common.errors import UserError
from tests.project import ROOT

HOLMES = ROOT / "data/characters/sherlock-holmes.json"
FIELDS = ("name", "description", "personality", "scenario", "first_mes", "mes_example", "system_prompt", "extensions")


def card(**fields: object) -> dict:
    whole = json.loads(HOLMES.read_text(encoding="utf-8"))
    whole["data"].update(fields)
    return whole


def refusal(folder: Path, content: object, name: str = "irene-adler.json") -> str:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_all(folder)
    assert str(caught.value).startswith(str(folder / name)) and "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("macro", ["{{char}}", "{{CHAR}}", "{{Char}}", "<BOT>", "<bot>"])
def test_the_characters_macros_are_filled_in_any_case(macro: str) -> None:
    assert fill(f"I am {macro}, {macro}!", "Holmes", "the visitor") == "I am Holmes, Holmes!"


@pytest.mark.parametrize("macro", ["{{user}}", "{{USER}}", "{{User}}", "<USER>", "<user>"])
def test_the_visitors_macros_are_filled_in_any_case(macro: str) -> None:
    assert fill(f"{macro} enters.", "Holmes", "the visitor") == "the visitor enters."


@pytest.mark.parametrize("name", ["R\\1", "back\\slash", "\\g<0>", "$& {x} %s", "\\"])
def test_a_name_is_put_in_as_it_is(name: str) -> None:
    assert fill("{{char}} and {{user}}", name, name) == f"{name} and {name}"


def test_other_braces_stay() -> None:
    assert fill("{char} {{chart}} {{ char }} <b>", "Holmes", "you") == "{char} {{chart}} {{ char }} <b>"


def test_the_system_prompt_is_the_cards_own_with_its_names() -> None:
    data = card(system_prompt=" You are {{char}}, and {{user}} is here. ")["data"]
    assert system_prompt(data, "a client") == "You are Sherlock Holmes, and a client is here."


def test_a_card_without_a_system_prompt_is_told_by_its_description_personality_and_scenario() -> None:
    data = card(system_prompt="", description="{{char}} detects.", personality="", scenario="{{user}} rings.")["data"]
    assert system_prompt(data, "a client") == "Sherlock Holmes detects.\na client rings."


def test_the_holmes_card_names_the_detective_and_leaves_no_macro() -> None:
    said = system_prompt(read(HOLMES), "the visitor")
    assert said.startswith("You are Sherlock Holmes, ") and "{{" not in said and "the visitor is speaking with you" in said


def test_cards_come_in_alphabetical_order_by_file_name(tmp_path: Path) -> None:
    names = [f"character-{number}" for number in (7, 3, 9, 1, 5, 8, 2, 6, 4, 0)]
    for name in names:
        (tmp_path / f"{name}.json").write_text(json.dumps(card(name=name.title())))
    (tmp_path / "notes.txt").write_text("not a card")
    assert [(key, value["name"]) for key, value in read_all(tmp_path).items()] == [(name, name.title()) for name in sorted(names)]


def test_extensions_and_fields_that_we_do_not_know_are_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(card(extensions={"depth": [1, 2]}, character_book={"entries": []})))
    assert read(tmp_path / "a.json")["extensions"] == {"depth": [1, 2]}


@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_field_is_one_sentence_with_its_name(tmp_path: Path, field: str) -> None:
    whole = card()
    del whole["data"][field]
    assert refusal(tmp_path, whole).endswith(f"not a Character Card V2: data: '{field}' is a required property")


@pytest.mark.parametrize(
    "content, said",
    [
        (card(name=""), "data.name: '' should be non-empty"),
        (card(description=7), "data.description: 7 is not of type 'string'"),
        ({**card(), "spec": "chara_card_v1"}, "spec: 'chara_card_v2' was expected"),
        ({**card(), "data": []}, "data: [] is not of type 'object'"),
        ([], "[] is not of type 'object'"),
        ('{"spec": ', ":1: not JSON: "),
        ("\ufeff" + json.dumps(card()), "not JSON: "),
        ("", "not JSON: "),
    ],
    ids=["empty name", "number", "version 1", "no data", "list", "cut off", "BOM", "empty file"],
)
def test_what_is_no_card_is_one_sentence(tmp_path: Path, content: object, said: str) -> None:
    assert said in refusal(tmp_path, content)


def test_a_name_of_spaces_is_no_name(tmp_path: Path) -> None:
    """The rules for breaks of character look for the name's first and last word."""
    assert "name" in refusal(tmp_path, card(name="  "))


def test_a_card_that_says_nothing_of_its_character_is_refused(tmp_path: Path) -> None:
    """An empty system prompt makes chats that the next stage cannot read."""
    assert "system_prompt" in refusal(tmp_path, card(system_prompt=" ", description="", personality="", scenario=""))


@pytest.mark.parametrize("name", ["Sherlock Holmes.json", "sherlock_holmes.json", "m\u00fcller.json"])
def test_a_file_name_that_cannot_be_a_characters_id_is_refused(tmp_path: Path, name: str) -> None:
    """chat.schema.json wants a-z, 0-9 and hyphens: else curate would write chats that filter refuses."""
    assert "a-z" in refusal(tmp_path, card(), name)


def test_half_a_character_in_a_card_is_refused(tmp_path: Path) -> None:
    refusal(tmp_path, card(system_prompt="You are \ud800."))


def test_a_folder_without_cards_and_a_folder_in_place_of_a_card_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no character card \(\*\.json\)"):
        read_all(tmp_path)
    (tmp_path / "irene.json").mkdir()
    with pytest.raises(UserError, match=r"irene\.json"):
        read_all(tmp_path)
