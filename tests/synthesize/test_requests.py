"""What the teacher is asked: draws that keep their beginning, and never a word of a chat that is held out."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from stages.common.characters import read
from stages.common.errors import UserError
from stages.common.holdout import split_of
from stages.synthesize.__main__ import shown
from stages.synthesize.requests import Draw, draws, messages, transcript
from tests.chats import HOLDOUT, chats_in, make_chat, plain_chat
from tests.project import ROOT

SCENARIOS = [{"id": f"scenario-{n}", "kind": "cases", "visitor": f"a visitor {n}", "situation": f"He asks {{{{char}}}} for number {n}."} for n in range(7)]
EXAMPLES = {"watson": [plain_chat(n, character="watson") for n in range(5)], "adler": [plain_chat(n, character="adler") for n in range(9)]}
CARD = read(ROOT / "data/characters/sherlock-holmes.json")


@pytest.mark.parametrize("seed", [0, 7, 123456])
def test_a_larger_count_keeps_the_smaller_ones_draws_as_its_beginning(seed: int) -> None:
    all_of_them = draws(60, seed, SCENARIOS, EXAMPLES)
    for count in (0, 1, 6, 7, 8, 30):
        assert draws(count, seed, SCENARIOS, EXAMPLES) == all_of_them[:count]


@pytest.mark.parametrize("character", EXAMPLES)
@pytest.mark.parametrize("seed", range(10))
def test_no_scenario_comes_to_a_character_again_before_all_have_come(seed: int, character: str) -> None:
    ids = [draw.scenario["id"] for draw in draws(70, seed, SCENARIOS, EXAMPLES) if draw.character == character]
    rounds = [ids[start : start + 7] for start in range(0, 35, 7)]
    assert all(len(set(one)) == 7 for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1, "each round in an order of its own"


def test_a_scenario_that_names_a_character_is_drawn_for_that_one_alone() -> None:
    own = [{**scenario, "character": "adler"} if number < 3 else scenario for number, scenario in enumerate(SCENARIOS)]
    own.append({**SCENARIOS[0], "id": "for-nobody-here", "character": "moriarty"})
    for seed in range(10):
        seen = {name: {draw.scenario["id"] for draw in draws(28, seed, own, EXAMPLES) if draw.character == name} for name in EXAMPLES}
        assert seen == {"adler": {f"scenario-{n}" for n in range(7)}, "watson": {f"scenario-{n}" for n in range(3, 7)}}


def test_what_another_characters_scenarios_are_changes_no_draw() -> None:
    more = [*SCENARIOS, *({**scenario, "id": f"own-{scenario['id']}", "character": "watson"} for scenario in SCENARIOS)]
    first, second = ([draw for draw in draws(40, 5, scenarios, EXAMPLES) if draw.character == "adler"] for scenarios in (SCENARIOS, more))
    assert first == second


def test_the_draws_of_one_character_are_these() -> None:
    """Another order of the same seed would ask the teacher everything again."""
    drawn = draws(9, 7, SCENARIOS, {"watson": EXAMPLES["watson"]})
    assert [draw.scenario["id"][-1] for draw in drawn] == list("231465002")


def test_characters_take_turns_and_see_two_different_examples_of_their_own() -> None:
    drawn = draws(40, 1, SCENARIOS, EXAMPLES)
    assert [draw.character for draw in drawn] == ["adler", "watson"] * 20
    for draw in drawn:
        first, second = draw.examples
        assert first["id"] != second["id"]
        assert {first["character"], second["character"]} == {draw.character}


def test_every_example_is_shown_sooner_or_later() -> None:
    seen = Counter(example["id"] for draw in draws(200, 1, SCENARIOS, EXAMPLES) for example in draw.examples)
    assert set(seen) == {chat["id"] for chats in EXAMPLES.values() for chat in chats}


def test_the_order_of_the_scenario_file_says_nothing_and_another_seed_draws_otherwise() -> None:
    shuffled = random.Random(1).sample(SCENARIOS, 7)
    assert draws(20, 3, shuffled, EXAMPLES) == draws(20, 3, SCENARIOS, EXAMPLES)
    assert draws(20, 4, SCENARIOS, EXAMPLES) != draws(20, 3, SCENARIOS, EXAMPLES)


def test_the_scenarios_are_not_used_up() -> None:
    before = list(SCENARIOS)
    draws(20, 3, SCENARIOS, EXAMPLES)
    assert SCENARIOS == before


def parameters(seed: int, validation: float, test: float) -> dict:
    return {"holdout.seed": seed, "holdout.validation": validation, "holdout.test": test}


@pytest.mark.parametrize("seed", range(40))
def test_a_chat_of_validation_or_test_is_never_shown(seed: int) -> None:
    """Over seeds, shares and kinds of source: everything that the teacher reads comes from train."""
    draw = random.Random(seed)
    validation, test = draw.uniform(0.05, 0.4), draw.uniform(0.05, 0.4)
    chats = [plain_chat(n, kind=draw.choice(["gold", "log", "book"])) for n in range(80)]
    draw.shuffle(chats)
    held = [chat for chat in chats if split_of(chat, seed, validation, test) != "train"]
    allowed = shown(chats, parameters(seed, validation, test))
    told = str([messages(one, CARD) for one in draws(60, seed, SCENARIOS, allowed)])
    assert held
    assert not [chat for chat in held if chat["conversations"][1]["value"] in told or chat["conversations"][2]["value"] in told]
    assert sorted(c["id"] for c in allowed["sherlock-holmes"]) == sorted({c["id"] for c in chats} - {c["id"] for c in held})


def test_what_is_shown_does_not_depend_on_the_order_of_the_file() -> None:
    chats = [plain_chat(n) for n in range(30)]
    assert shown(chats[::-1], parameters(**HOLDOUT)) == shown(chats, parameters(**HOLDOUT))


def test_fewer_than_two_training_chats_of_a_character_is_one_sentence() -> None:
    chats = [*chats_in("train", 2), *(plain_chat(n, character="adler") for n in range(40) if split_of(plain_chat(n, character="adler"), **HOLDOUT) == "test")]
    with pytest.raises(UserError, match="two training chats of each character as examples; adler has fewer"):
        shown(chats, parameters(**HOLDOUT))


def test_a_transcript_is_what_the_parser_reads() -> None:
    from stages.synthesize.parsing import turns

    chat = make_chat("Who was it?", "The verger: he squeaks.", "How do you know?", "Boots.")
    written = transcript(chat, "Sherlock Holmes")
    assert written == "Visitor: Who was it?\nSherlock Holmes: The verger: he squeaks.\nVisitor: How do you know?\nSherlock Holmes: Boots."
    assert turns(written, "Sherlock Holmes", "stop") == chat["conversations"][1:]


def test_the_request_holds_task_examples_and_scenario_with_every_name_filled_in() -> None:
    first = {**plain_chat(1), "visitor": "a widow", "topic": "baker-street"}
    said = messages(Draw("sherlock-holmes", SCENARIOS[3], (first, plain_chat(2))), CARD)
    assert [message["role"] for message in said] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert said[1]["content"] == "The visitor: a widow. They speak of baker street. Write the dialogue."
    assert said[2]["content"] == transcript(first, "Sherlock Holmes")
    assert said[3]["content"] == "The visitor: a caller. They speak of this and that. Write the dialogue."
    assert said[5]["content"] == "The visitor: a visitor 3. He asks Sherlock Holmes for number 3. Write the dialogue."
    assert "{{" not in str(said) and "Sherlock Holmes" in said[0]["content"]


def test_a_nickname_stands_in_texts_and_the_name_stays_the_label() -> None:
    said = messages(Draw("sherlock-holmes", SCENARIOS[3], (plain_chat(1), plain_chat(2))), {**CARD, "nickname": "Holmes"})
    assert said[5]["content"] == "The visitor: a visitor 3. He asks Holmes for number 3. Write the dialogue."
    assert "Sherlock Holmes and a visitor. Holmes is the consulting detective" in said[0]["content"]
    assert said[2]["content"] == transcript(plain_chat(1), "Sherlock Holmes")
