"""Which prompts are asked."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from stages.answer.choice import choose
from stages.common.files import read_jsonl

ROOT = Path(__file__).resolve().parents[2]
FILES = {"evaluation": "topic", "redteam": "category"}


def prompts(**sizes: int) -> list[dict]:
    """Prompts of kinds in turn, as a file might mix them."""
    left, made = dict(sizes), []
    while any(left.values()):
        for kind in sizes:
            if left[kind]:
                left[kind] -= 1
                made.append({"id": f"{kind}-{sizes[kind] - left[kind]}", "topic": kind})
    return made


def shares(chosen: list[dict], by: str = "topic") -> dict[str, int]:
    return dict(Counter(prompt[by] for prompt in chosen))


def test_each_kind_has_an_equal_share() -> None:
    assert shares(choose(prompts(cases=20, method=20, watson=20), "topic", 12, 1)) == {"cases": 4, "method": 4, "watson": 4}


@pytest.mark.parametrize("limit", range(1, 31))
def test_the_number_is_kept_and_no_two_shares_differ_by_more_than_one(limit: int) -> None:
    chosen = choose(prompts(cases=10, method=10, watson=10), "topic", limit, 3)
    counts = [shares(chosen).get(kind, 0) for kind in ("cases", "method", "watson")]
    assert sum(counts) == limit == len({prompt["id"] for prompt in chosen})
    assert max(counts) - min(counts) <= 1


def test_a_kind_with_too_few_gives_all_it_has_and_the_others_make_it_up() -> None:
    assert shares(choose(prompts(cases=20, method=2, watson=20), "topic", 12, 1)) == {"cases": 5, "method": 2, "watson": 5}


@pytest.mark.parametrize("limit", [None, 9, 10, 1000])
def test_no_limit_or_one_that_is_not_reached_asks_all_in_the_files_order(limit: int | None) -> None:
    all_of_them = prompts(cases=3, method=3, watson=3)
    assert choose(all_of_them, "topic", limit, 1) == all_of_them


def test_the_chosen_stand_in_the_files_order() -> None:
    given = prompts(cases=20, method=20)
    chosen = choose(given, "topic", 15, 5)
    places = [given.index(prompt) for prompt in chosen]
    assert places == sorted(places)


def test_the_choice_is_the_same_every_time_and_leaves_its_input_as_it_was() -> None:
    given = prompts(cases=20, method=20)
    before = [dict(prompt) for prompt in given]
    first, second = choose(given, "topic", 7, 11), choose(given, "topic", 7, 11)
    assert first == second
    assert given == before


def test_the_choice_is_the_same_in_every_process() -> None:
    code = "from tests.answer.test_choice import *; print([p['id'] for p in choose(prompts(cases=20, method=20), 'topic', 7, 11)])"
    command = [sys.executable, "-c", code]
    told = {subprocess.run(command, cwd=ROOT, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout for seed in ("1", "2")}
    assert told == {f"{[prompt['id'] for prompt in choose(prompts(cases=20, method=20), 'topic', 7, 11)]}\n"}


def test_another_seed_is_another_choice() -> None:
    given = prompts(cases=20, method=20)
    assert len({tuple(prompt["id"] for prompt in choose(given, "topic", 8, seed)) for seed in range(10)}) > 5


def test_a_higher_limit_keeps_what_a_lower_one_chose() -> None:
    given = prompts(cases=20, method=5, watson=9)
    for lower in range(1, 33):
        low, high = ({prompt["id"] for prompt in choose(given, "topic", limit, 11)} for limit in (lower, lower + 1))
        assert low < high


def test_every_prompt_of_a_kind_is_chosen_about_as_often_over_many_seeds() -> None:
    given = prompts(cases=10, method=10)
    seen = Counter(prompt["id"] for seed in range(400) for prompt in choose(given, "topic", 10, seed))
    assert len(seen) == 20
    assert all(140 < count < 260 for count in seen.values())  # expected 200, standard deviation 10


@pytest.mark.parametrize("name", FILES)
def test_the_projects_own_prompts_give_every_kind_its_share(name: str) -> None:
    given = read_jsonl(ROOT / f"data/prompts/{name}.jsonl")
    kinds = len({prompt[FILES[name]] for prompt in given})
    counts = shares(choose(given, FILES[name], 24, 11), FILES[name])
    assert sum(counts.values()) == 24 and len(counts) == min(kinds, 24)
    assert max(counts.values()) - min(counts.values()) <= 1
