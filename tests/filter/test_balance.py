"""Caps and lengths: what drowns the rest goes, by luck that a seed decides, and no more of it than that."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.filter.balance import OVER, Row, capped, steered

KINDS = ("gold", "log", "synthetic")
NONE = {"scenario": None, "character": None, "source": None}


def row(number: int, kind: str = "synthetic", character: str = "watson", scenario: str | None = "rain", words: float = 40.0) -> Row:
    return Row(f"{character}-{kind}-{number}", kind, KINDS.index(kind), character, scenario, words)


ROWS = st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from("ab"), st.sampled_from(["rain", "snow", None])), max_size=40).map(
    lambda made: {number: row(number, kind, character, scenario) for number, (kind, character, scenario) in enumerate(made)}
)


@given(ROWS, st.integers(1, 6), st.sampled_from(["scenario", "character", "source"]))
def test_no_kind_has_more_than_its_cap_and_none_loses_more_than_it_must(rows: dict[int, Row], cap: int, what: str) -> None:
    drops = capped(rows, {**NONE, what: cap}, 7)
    of = {"scenario": lambda r: (r.character, r.scenario), "character": lambda r: r.character, "source": lambda r: r.kind}[what]
    counted = [r for r in rows.values() if what != "scenario" or r.scenario is not None]
    before, after = Counter(map(of, counted)), Counter(of(rows[number]) for number in rows if number not in drops and rows[number] in counted)
    assert after == {name: min(count, cap) for name, count in before.items()}
    assert all((drop.rule, drop.expected) == (f"balance.{what}", cap) and drop.found > cap for drop in drops.values())


@given(ROWS, st.integers(1, 6))
def test_of_a_character_those_nearest_to_a_human_hand_stay(rows: dict[int, Row], cap: int) -> None:
    drops = capped(rows, {**NONE, "character": cap}, 7)
    for character in "ab":
        kept = [r.rank for number, r in rows.items() if r.character == character and number not in drops]
        gone = [r.rank for number, r in rows.items() if r.character == character and number in drops]
        assert max(kept, default=0) <= min(gone, default=9)


def test_without_caps_nothing_goes() -> None:
    assert capped({0: row(0)}, NONE, 7) == {}


def test_the_order_says_nothing_and_another_seed_chooses_others() -> None:
    rows = {number: row(number) for number in range(50)}
    caps = {**NONE, "scenario": 10}
    mixed = dict(random.Random(3).sample(sorted(rows.items()), 50))
    assert set(capped(rows, caps, 7)) == set(capped(mixed, caps, 7)) != set(capped(rows, caps, 8))


def test_a_cap_that_grows_keeps_what_a_smaller_one_kept() -> None:
    rows = {number: row(number) for number in range(50)}
    assert set(capped(rows, {**NONE, "scenario": 20}, 7)) < set(capped(rows, {**NONE, "scenario": 10}, 7))


GOLD = [float(words) for words in range(20, 60)]


@pytest.mark.parametrize("lengths", [[80.0] * 100, [10.0] * 70 + [45.0] * 30, [float(n) for n in range(15, 175)]], ids=["all long", "mostly short", "wide"])
def test_no_class_of_lengths_has_much_more_than_its_share_of_the_gold(lengths: list[float]) -> None:
    rows = {number: row(number, words=words) for number, words in enumerate(lengths)}
    drops = steered(rows, GOLD, 7)
    kept = [r.words for number, r in rows.items() if number not in drops]
    classes = np.bincount(np.searchsorted(np.quantile(GOLD, [0.25, 0.5, 0.75]), [*GOLD, *kept]), minlength=4)
    assert kept and drops and (classes <= OVER * 0.25 * (len(kept) + len(GOLD))).all()
    assert len(kept) + len(drops) == len(rows)
    assert all(drop.rule == "balance.length" and "30, 40 and 49 words" in drop.expected for drop in drops.values())


def test_lengths_like_the_golds_stay_as_they_are() -> None:
    assert steered({number: row(number, words=words) for number, words in enumerate(GOLD * 3)}, GOLD, 7) == {}


def test_without_gold_there_is_nothing_to_steer_by() -> None:
    assert steered({0: row(0)}, [], 7) == {}
