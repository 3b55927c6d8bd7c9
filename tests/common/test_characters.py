"""Character cards: what is read, what is filled in, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.common.characters import fill, read, read_all, spoken_name, system_prompt
from stages.common.errors import UserError
from tests.cards import book, encoded, in_charx, png, text, v1, v2, v3, write
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


@pytest.mark.parametrize("macro", ["{{char}}", "{{CHAR}}", "{{Char}}", "<BOT>", "<bot>", "<char>"])
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


def test_the_holmes_cards_prompt_is_what_the_models_on_record_were_told() -> None:
    own = json.loads(HOLMES.read_text(encoding="utf-8"))["data"]["system_prompt"]
    assert system_prompt(read(HOLMES), "the visitor") == own.replace("{{char}}", "Sherlock Holmes").replace("{{user}}", "the visitor")


@pytest.mark.parametrize("nickname, spoken", [("The Woman", "The Woman"), ("", "Irene Adler"), ("  ", "Irene Adler")])
def test_a_nickname_is_what_the_character_is_called_and_the_name_stays_the_name(tmp_path: Path, nickname: str, spoken: str) -> None:
    card = read(write(tmp_path / "irene.json", v3(nickname=nickname)))
    assert (card["name"], spoken_name(card)) == ("Irene Adler", spoken)
    assert system_prompt(card, "you") == f"You are {spoken}."
    assert spoken_name(v2()["data"]) == "Irene Adler"


LORE = book(
    {"content": "{{char}} sings.", "constant": True, "position": "before_char"},
    {"content": "@@depth 2\n{{user}} is a king.", "keys": ["Bohemia"], "position": "after_char"},
    {"content": "There is a photograph.", "keys": ["photograph"], "position": "before_char", "insertion_order": 0},
    {"content": "She keeps it.", "constant": True, "enabled": False},
)


def test_the_lorebook_stands_before_and_after_the_prompt_as_far_as_it_applies(tmp_path: Path) -> None:
    card = read(write(tmp_path / "irene.json", v2(character_book=LORE)))
    assert system_prompt(card, "you") == "Irene Adler sings.\nYou are Irene Adler."
    said = ["I come from Bohemia.", "For a photograph?"]
    assert system_prompt(card, "the visitor", said) == "There is a photograph.\nIrene Adler sings.\nYou are Irene Adler.\nthe visitor is a king."


def test_a_character_is_the_same_from_every_file_and_spec(tmp_path: Path) -> None:
    old = v1(system_prompt="You are {{char}}.")
    files = {
        "a.json": old,
        "b.json": v2(),
        "c.json": v3(),
        "d.json": {"data": v2()["data"]},
        "e.png": png(text("chara", encoded(v2()))),
        "f.charx": in_charx(v3()),
    }
    for name, content in files.items():
        write(tmp_path / name, content)
    found = read_all(tmp_path)
    assert list(found) == ["a", "b", "c", "d", "e", "f"]
    assert all(card == found["a"] for card in found.values())


def test_two_files_of_one_character_are_one_sentence(tmp_path: Path) -> None:
    for name, content in (("irene.json", v2()), ("irene.png", png(text("chara", encoded(v2())))), ("watson.json", v2())):
        write(tmp_path / name, content)
    with pytest.raises(UserError) as caught:
        read_all(tmp_path)
    assert str(caught.value) == f"{tmp_path / 'irene.png'}: irene.json is a card of the same character; expected one file a character"


def test_a_picture_without_a_card_is_one_sentence(tmp_path: Path) -> None:
    write(tmp_path / "irene.png", png())
    with pytest.raises(UserError, match=r"irene\.png: a PNG without a character card"):
        read_all(tmp_path)


def test_the_names_order_is_that_of_the_characters_and_not_of_their_files(tmp_path: Path) -> None:
    for name in ("a-b.json", "a.png", "a-a.charx"):
        write(tmp_path / name, v2())
    assert list(read_all(tmp_path)) == ["a", "a-a", "a-b"]


def test_a_lorebook_of_regular_expressions_is_refused_with_the_file_and_the_entry(tmp_path: Path) -> None:
    lore = book({"keys": ["(a+)+$"], "use_regex": True, "name": "trap"})
    assert "character_book: entry 1 'trap': the key '(a+)+$' is a regular expression" in refusal(tmp_path, v3(character_book=lore))


def test_cards_come_in_alphabetical_order_by_file_name(tmp_path: Path) -> None:
    names = [f"character-{number}" for number in (7, 3, 9, 1, 5, 8, 2, 6, 4, 0)]
    for name in names:
        (tmp_path / f"{name}.json").write_text(json.dumps(card(name=name.title())))
    (tmp_path / "notes.txt").write_text("not a card")
    assert [(key, value["name"]) for key, value in read_all(tmp_path).items()] == [(name, name.title()) for name in sorted(names)]


def test_extensions_and_fields_that_we_do_not_know_are_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(card(extensions={"depth": [1, 2]}, character_book={"entries": []}, unheard_of={"of": None})))
    found = read(tmp_path / "a.json")
    assert (found["extensions"], found["unheard_of"]) == ({"depth": [1, 2]}, {"of": None})


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
        ({"name": "Irene"}, "not a Character Card V1 (it has no spec): 'description' is a required property"),
        (v3(group_only_greetings=[1]), "not a Character Card V3: data.group_only_greetings.0: 1 is not of type 'string'"),
        ('{"spec": "chara_card_v2", "spec": "chara_card_v3"}', "not JSON: the key 'spec' stands twice"),
        ("[" * 200 + "]" * 200, "not JSON: objects and lists in one another"),
    ],
    ids=["empty name", "number", "version 1", "no data", "list", "cut off", "BOM", "empty file", "not a card", "V3", "key twice", "deep"],
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
