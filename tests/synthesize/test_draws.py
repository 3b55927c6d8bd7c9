"""What each request is about: draws that keep their beginning and do not repeat, and never a chat that is held out."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from stages.common.errors import UserError
from stages.common.holdout import split_of
from stages.common.params import read_yaml
from stages.synthesize.draws import LENGTHS, Draw, Product, draws, unlike
from stages.synthesize.ingredients import shown
from tests.chats import HOLDOUT, chats_in, make_chat, plain_chat
from tests.project import ROOT

SCENARIOS = [{"id": f"scenario-{n}", "kind": "cases", "situation": f"They ask {{{{char}}}} for number {n}."} for n in range(7)]
VISITORS = {"ages": ["a young", "an old"], "stations": ["cook", "clerk", "miner"], "moods": ["in tears", "in haste", "at ease", "at odds"]}
EXAMPLES = {"watson": [plain_chat(n, character="watson") for n in range(5)], "adler": [plain_chat(n, character="adler") for n in range(9)]}
PRODUCT = Product(SCENARIOS, VISITORS, (2, 3), EXAMPLES, 2)
FIELDS = {"age": VISITORS["ages"], "station": VISITORS["stations"], "mood": VISITORS["moods"], "length": sorted(LENGTHS), "exchanges": (2, 3)}


def of(character: str, drawn: list[Draw]) -> list[Draw]:
    return [draw for draw in drawn if draw.character == character]


def combination(draw: Draw) -> tuple:
    return draw.character, draw.scenario["id"], draw.visitor, draw.length, draw.exchanges


@pytest.mark.parametrize("seed", [0, 7, 123456])
def test_a_larger_count_keeps_the_smaller_ones_draws_as_its_beginning(seed: int) -> None:
    all_of_them = draws(60, seed, PRODUCT)
    for count in (0, 1, 6, 7, 8, 30):
        assert draws(count, seed, PRODUCT) == all_of_them[:count]


@pytest.mark.parametrize("character", EXAMPLES)
@pytest.mark.parametrize("seed", range(10))
def test_no_scenario_comes_to_a_character_again_before_all_have_come(seed: int, character: str) -> None:
    ids = [draw.scenario["id"] for draw in of(character, draws(70, seed, PRODUCT))]
    rounds = [ids[start : start + 7] for start in range(0, 35, 7)]
    assert all(len(set(one)) == 7 for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1, "each round in an order of its own"


@pytest.mark.parametrize("field", FIELDS)
def test_no_entry_of_a_list_comes_again_before_all_have_come(field: str) -> None:
    """As long as no combination has to be left out because it was drawn before."""
    drawn, size = [getattr(draw, field) for draw in of("adler", draws(24, 7, PRODUCT))], len(FIELDS[field])
    assert [set(drawn[start : start + size]) for start in range(0, 12, size)] == [set(FIELDS[field])] * (12 // size)


def test_no_combination_comes_twice_before_all_have_come() -> None:
    one_scenario = replace(PRODUCT, scenarios=SCENARIOS[:1], examples={"adler": EXAMPLES["adler"]})
    size = 2 * 3 * 4 * 3 * 2
    drawn = [combination(draw) for draw in draws(2 * size + 1, 3, one_scenario)]
    assert len(set(drawn[:size])) == len(set(drawn[size : 2 * size])) == size
    assert len(set(drawn)) == size


def test_a_visitor_whom_the_scenario_names_comes_as_that_one_in_every_mood_once() -> None:
    widow = replace(PRODUCT, scenarios=[{**SCENARIOS[0], "visitor": "a widow"}], exchanges=(2,), examples={"adler": EXAMPLES["adler"]})
    drawn = draws(12, 3, widow)
    assert {draw.visitor for draw in drawn} == {f"a widow, {mood}" for mood in VISITORS["moods"]}
    assert len({combination(draw) for draw in drawn}) == 12


def test_an_entry_that_stands_twice_in_a_list_does_not_keep_the_draws_waiting() -> None:
    twice = replace(PRODUCT, scenarios=SCENARIOS[:1], visitors={name: [entries[0]] * 2 for name, entries in VISITORS.items()})
    assert len(draws(40, 1, twice)) == 40


def test_the_visitor_is_age_station_and_mood() -> None:
    draw = draws(1, 7, PRODUCT)[0]
    assert draw.visitor == f"{draw.age} {draw.station}, {draw.mood}"


def test_ten_thousand_draws_of_what_is_shipped_are_all_different() -> None:
    scenarios, visitors = (read_yaml(ROOT / f"data/prompts/{name}.yaml") for name in ("scenarios", "visitors"))
    shipped = Product(scenarios, visitors, (2, 3), {"sherlock-holmes": [plain_chat(n) for n in range(30)]}, 3)
    assert max(Counter(map(combination, draws(10_000, 7, shipped))).values()) == 1


def test_a_scenario_that_names_a_character_is_drawn_for_that_one_alone() -> None:
    own = [{**scenario, "character": "adler"} if number < 3 else scenario for number, scenario in enumerate(SCENARIOS)]
    own.append({**SCENARIOS[0], "id": "for-nobody-here", "character": "moriarty"})
    for seed in range(10):
        seen = {name: {draw.scenario["id"] for draw in of(name, draws(28, seed, replace(PRODUCT, scenarios=own)))} for name in EXAMPLES}
        assert seen == {"adler": {f"scenario-{n}" for n in range(7)}, "watson": {f"scenario-{n}" for n in range(3, 7)}}


def test_what_another_characters_scenarios_are_changes_no_draw() -> None:
    more = [*SCENARIOS, *({**scenario, "id": f"own-{scenario['id']}", "character": "watson"} for scenario in SCENARIOS)]
    first, second = (of("adler", draws(40, 5, replace(PRODUCT, scenarios=scenarios))) for scenarios in (SCENARIOS, more))
    assert first == second


def test_the_draws_of_one_character_are_these() -> None:
    """Another order of the same seed would ask the teacher everything again."""
    drawn = draws(9, 7, replace(PRODUCT, examples={"watson": EXAMPLES["watson"]}))
    assert [draw.scenario["id"][-1] for draw in drawn] == list("546201343")
    assert [combination(draw)[2:] for draw in drawn[:3]] == [
        ("a young cook, in tears", "long", 2),
        ("an old clerk, at odds", "medium", 3),
        ("a young miner, at ease", "short", 3),
    ]
    assert [[EXAMPLES["watson"].index(chat) for chat in draw.examples] for draw in drawn[:4]] == [[3, 4], [0, 1], [2, 1], [4, 0]]


def test_characters_take_turns_and_see_different_examples_of_their_own() -> None:
    for each in (2, 3):
        drawn = draws(40, 1, replace(PRODUCT, examples_each=each))
        assert [draw.character for draw in drawn] == ["adler", "watson"] * 20
        for draw in drawn:
            assert len({chat["id"] for chat in draw.examples}) == len(draw.examples) == each
            assert {chat["character"] for chat in draw.examples} == {draw.character}


def test_every_example_is_shown_sooner_or_later() -> None:
    seen = Counter(example["id"] for draw in draws(200, 1, PRODUCT) for example in draw.examples)
    assert set(seen) == {chat["id"] for chats in EXAMPLES.values() for chat in chats}


def test_the_examples_of_a_request_are_chosen_to_differ() -> None:
    """Two kinds of chat that share their words within, none between: two examples are of the two kinds."""
    alike = [make_chat(f"{kind} {kind}er {kind}est?", f"{kind}ly {number}") for kind in ("rain", "gold") for number in range(4)]
    vocabulary = {chat["id"]: frozenset(" ".join(turn["value"] for turn in chat["conversations"][1:]).split()) for chat in alike}
    for seed in range(50):
        first, second = unlike(alike, vocabulary, 2, random.Random(seed))
        assert first["conversations"][1] != second["conversations"][1]


def test_the_order_of_the_scenario_file_says_nothing_and_another_seed_draws_otherwise() -> None:
    shuffled = replace(PRODUCT, scenarios=random.Random(1).sample(SCENARIOS, 7))
    assert draws(20, 3, shuffled) == draws(20, 3, PRODUCT)
    assert draws(20, 4, PRODUCT) != draws(20, 3, PRODUCT)


def parameters(seed: int, validation: float, test: float, examples: int = 2, base_url: str | None = None) -> dict:
    asked = {"synthesize.examples": examples, "synthesize.base_url": base_url}
    return {"holdout.seed": seed, "holdout.validation": validation, "holdout.test": test, **asked}


@pytest.mark.parametrize("seed", range(40))
def test_a_chat_of_validation_or_test_is_never_drawn(seed: int) -> None:
    """Over seeds, shares and kinds of source: everything that the teacher reads comes from train."""
    draw = random.Random(seed)
    validation, test = draw.uniform(0.05, 0.4), draw.uniform(0.05, 0.4)
    chats = [plain_chat(n, kind=draw.choice(["gold", "log", "book"])) for n in range(80)]
    draw.shuffle(chats)
    held = {chat["id"] for chat in chats if split_of(chat, seed, validation, test) != "train"}
    allowed = shown(chats, parameters(seed, validation, test))
    assert held
    assert {chat["id"] for one in draws(60, seed, replace(PRODUCT, examples=allowed)) for chat in one.examples} & held == set()
    assert sorted(c["id"] for c in allowed["sherlock-holmes"]) == sorted({c["id"] for c in chats} - held)


def test_a_chat_in_which_the_character_speaks_for_the_visitor_is_no_example() -> None:
    chats = chats_in("train", 4)
    marked = [{**chats[0], "marks": ["speaks-for-user"]}, *chats[1:]]
    assert {chat["id"] for chat in shown(marked, parameters(**HOLDOUT))["sherlock-holmes"]} == {chat["id"] for chat in chats[1:]}


def test_no_users_log_is_sent_to_an_endpoint() -> None:
    chats = [plain_chat(n, kind=kind) for n, kind in enumerate(["gold", "log", "book", "import"] * 10)]
    here, there = (shown(chats, parameters(**HOLDOUT, base_url=url))["sherlock-holmes"] for url in (None, "https://api.example.org/v1"))
    assert there == [chat for chat in here if chat["source"]["kind"] != "log"] != here
    with pytest.raises(UserError, match="sherlock-holmes has fewer: add to data/gold/; logs of users are not sent"):
        shown([plain_chat(n, kind="log") for n in range(40)], parameters(**HOLDOUT, base_url="https://api.example.org/v1"))


def test_what_is_shown_does_not_depend_on_the_order_of_the_file() -> None:
    chats = [plain_chat(n) for n in range(30)]
    assert shown(chats[::-1], parameters(**HOLDOUT)) == shown(chats, parameters(**HOLDOUT))


@pytest.mark.parametrize("needed", [2, 3])
def test_fewer_training_chats_of_a_character_than_a_request_needs_is_one_sentence(needed: int) -> None:
    held = [plain_chat(n, character="adler") for n in range(40) if split_of(plain_chat(n, character="adler"), **HOLDOUT) == "test"]
    with pytest.raises(UserError, match=f"needs {needed} training chats of each character as examples; adler has fewer"):
        shown([*chats_in("train", needed), *held], parameters(**HOLDOUT, examples=needed))
