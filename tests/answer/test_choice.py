"""Which prompts are asked."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import zip_longest
from pathlib import Path

import pytest

from stages.answer.choice import choose
from stages.answer.questions import about_world, pose, read
from stages.common import world_questions

ROOT = Path(__file__).resolve().parents[2]
FILES = {"evaluation": "topic", "redteam": "category"}
CHARACTERS = ("elizabeth-bennet", "john-silver", "sherlock-holmes")


def asked(character: str = "sherlock-holmes", **sizes: int) -> list[dict]:
    """Questions of kinds in turn, as a file might mix them."""
    left, made = dict(sizes), []
    while any(left.values()):
        for kind in sizes:
            if left[kind]:
                left[kind] -= 1
                made.append({"id": f"{character}-{kind}-{sizes[kind] - left[kind]}", "kind": kind, "character": character})
    return made


def mixed(*lists: list[dict]) -> list[dict]:
    """Questions to several characters, one of each in turn while there are."""
    return [question for turn in zip_longest(*lists) for question in turn if question]


def shares(chosen: list[dict], by: str = "kind") -> dict[str, int]:
    return dict(Counter(question[by] for question in chosen))


def test_each_kind_has_an_equal_share() -> None:
    assert shares(choose(asked(cases=20, method=20, watson=20), 12, 1)) == {"cases": 4, "method": 4, "watson": 4}


@pytest.mark.parametrize("limit", range(1, 31))
def test_the_number_is_kept_and_no_two_shares_differ_by_more_than_one(limit: int) -> None:
    chosen = choose(asked(cases=10, method=10, watson=10), limit, 3)
    counts = [shares(chosen).get(kind, 0) for kind in ("cases", "method", "watson")]
    assert sum(counts) == limit == len({question["id"] for question in chosen})
    assert max(counts) - min(counts) <= 1


def test_a_kind_with_too_few_gives_all_it_has_and_the_others_make_it_up() -> None:
    assert shares(choose(asked(cases=20, method=2, watson=20), 12, 1)) == {"cases": 5, "method": 2, "watson": 5}


@pytest.mark.parametrize("limit", range(1, 60))
def test_each_character_has_an_equal_share_and_within_it_each_kind(limit: int) -> None:
    three = mixed(asked("holmes", cases=10, method=10), asked("silver", cases=5, voyages=7, crew=8), asked("bennet", society=20))
    chosen = choose(three, limit, 3)
    assert len(chosen) == limit
    assert max(shares(chosen, "character").values()) - min(shares(chosen, "character").get(name, 0) for name in ("holmes", "silver", "bennet")) <= 1
    holmes = shares([question for question in chosen if question["character"] == "holmes"])
    assert max(holmes.values(), default=0) - min(holmes.get(kind, 0) for kind in ("cases", "method")) <= 1


def test_the_number_does_not_grow_with_the_characters() -> None:
    lists = [asked(name, cases=20, method=20) for name in "abcdefg"]
    assert [len(choose(mixed(*lists[:count]), 24, 1)) for count in range(1, 8)] == [24] * 7


def test_a_character_with_too_few_questions_gives_all_and_the_others_make_it_up() -> None:
    assert shares(choose(mixed(asked("holmes", cases=30), asked("silver", cases=2), asked("bennet", cases=30)), 12, 1), "character") == {
        "holmes": 5,
        "silver": 2,
        "bennet": 5,
    }


def test_what_a_round_leaves_out_differs_from_character_to_character() -> None:
    """Eight questions each, of six kinds: whoever counts kinds over all characters finds each of them equally often."""
    kinds = dict.fromkeys(("drop-the-act", "as-an-ai", "system-prompt", "out-of-era", "hostile", "controversial"), 11)
    assert shares(choose(mixed(*(asked(name, **kinds) for name in CHARACTERS)), 24, 11)) == dict.fromkeys(kinds, 4)


@pytest.mark.parametrize("limit", [None, 9, 10, 1000])
def test_no_limit_or_one_that_is_not_reached_asks_all_in_the_order_given(limit: int | None) -> None:
    all_of_them = asked(cases=3, method=3, watson=3)
    assert choose(all_of_them, limit, 1) == all_of_them


def test_the_chosen_stand_in_the_order_given() -> None:
    given = mixed(asked(cases=20, method=20), asked("silver", crew=20))
    places = [given.index(question) for question in choose(given, 15, 5)]
    assert places == sorted(places)


def test_the_choice_is_the_same_every_time_and_leaves_its_input_as_it_was() -> None:
    given = asked(cases=20, method=20)
    before = [dict(question) for question in given]
    first, second = choose(given, 7, 11), choose(given, 7, 11)
    assert first == second
    assert given == before


def test_the_choice_is_the_same_in_every_process() -> None:
    code = "from tests.answer.test_choice import *; print([q['id'] for q in choose(mixed(asked(cases=20, method=20), asked('silver', crew=9)), 7, 11)])"
    command = [sys.executable, "-c", code]
    told = {subprocess.run(command, cwd=ROOT, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout for seed in ("1", "2")}
    assert told == {f"{[q['id'] for q in choose(mixed(asked(cases=20, method=20), asked('silver', crew=9)), 7, 11)]}\n"}


def test_another_seed_is_another_choice() -> None:
    given = asked(cases=20, method=20)
    assert len({tuple(question["id"] for question in choose(given, 8, seed)) for seed in range(10)}) > 5


@pytest.mark.parametrize("several", [False, True])
def test_a_higher_limit_keeps_what_a_lower_one_chose(several: bool) -> None:
    given = asked(cases=20, method=5, watson=9)
    if several:
        given = mixed(given, asked("silver", voyages=4, crew=9), asked("bennet", society=3))
    for lower in range(1, len(given) - 1):
        low, high = ({question["id"] for question in choose(given, limit, 11)} for limit in (lower, lower + 1))
        assert low < high


def test_every_prompt_of_a_kind_is_chosen_about_as_often_over_many_seeds() -> None:
    given = asked(cases=10, method=10)
    seen = Counter(question["id"] for seed in range(400) for question in choose(given, 10, seed))
    assert len(seen) == 20
    assert all(140 < count < 260 for count in seen.values())  # expected 200, standard deviation 10


@pytest.mark.parametrize("characters", [CHARACTERS, *((name,) for name in CHARACTERS)])
@pytest.mark.parametrize("name", FILES)
def test_the_projects_own_prompts_give_every_character_and_kind_its_share(name: str, characters: tuple[str, ...]) -> None:
    path, by = ROOT / f"data/prompts/{name}.jsonl", FILES[name]
    chosen = choose(pose(name, read(path, by, CHARACTERS), by, characters), 24, 11)
    assert shares(chosen, "character") == dict.fromkeys(characters, 24 // len(characters))
    for character in characters:
        counts = shares([question for question in chosen if question["character"] == character])
        assert max(counts.values()) - min(counts.values()) <= 1 and len(counts) >= 6


@pytest.mark.parametrize("characters", [CHARACTERS, *((name,) for name in CHARACTERS)])
def test_as_many_facts_are_asked_as_things_that_nobody_can_know_and_every_character_and_topic_has_its_share(characters: tuple[str, ...]) -> None:
    chosen = choose(about_world(world_questions.read(ROOT / "data/prompts/world.jsonl", CHARACTERS), characters), 24, 11)
    assert shares(chosen, "character") == dict.fromkeys(characters, 24 // len(characters))
    assert sum(question["kind"] in world_questions.KINDS["fact"] for question in chosen) == 12
    for character in characters:
        counts = shares([question for question in chosen if question["character"] == character])
        assert max(counts.values()) - min(counts.values()) <= 1 and len(counts) == 6
