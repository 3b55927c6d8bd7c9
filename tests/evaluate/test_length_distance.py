"""Wasserstein's distance of lengths, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.evaluate.length_distance import figures, wasserstein
from tests.evaluate.golden import CHARACTERS, CHATS

SAMPLES = st.lists(st.integers(0, 300), min_size=1, max_size=30)


def say(*counts: int) -> list[list[str]]:
    """Prompts with one reply each, of so many words."""
    return [["word " * count] for count in counts]


def measured(said: dict, whom: list[str], gold: dict, seed: int = 0) -> dict:
    return figures(said, whom, gold, np.random.default_rng(seed), 999, 0.95)


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ([0, 1, 3], [5, 6, 8], 5.0),  # the example of SciPy's wasserstein_distance
        ([1, 2], [1, 2, 1, 2], 0.0),
        ([0], [0, 10], 5.0),  # half of it goes 10
        ([10, 20], [15], 5.0),  # the means are equal, the lengths are not
        ([0, 0, 3], [1, 2], 7 / 6),  # the functions are 2/3, 1/6 and 1/3 apart, over one word each
    ],
)
def test_the_distance_is_the_area_between_the_distribution_functions(one: list[int], other: list[int], distance: float) -> None:
    assert wasserstein(one, other) == pytest.approx(distance) == wasserstein(other, one)


@given(SAMPLES, SAMPLES, st.integers(0, 50))
def test_of_samples_of_one_size_it_is_the_mean_gap_of_their_sorted_values(one: list[int], other: list[int], shift: int) -> None:
    size = min(len(one), len(other))
    pairs = zip(sorted(one[:size]), sorted(other[:size]), strict=True)
    assert wasserstein(one[:size], other[:size]) == pytest.approx(sum(abs(a - b) for a, b in pairs) / size)
    assert wasserstein(one, [value + shift for value in one]) == pytest.approx(shift)


def test_an_empty_sample_is_no_distance_away() -> None:
    with pytest.raises(ValueError, match="empty"):
        wasserstein([], [1])


def test_each_characters_replies_are_held_against_his_own_gold_and_averaged_by_prompts() -> None:
    gold = {"a": [["w " * 10, "w " * 10]], "b": [["w " * 100]]}
    found = measured({"prompted": say(100, 100, 10), "tuned": say(10, 14, 97)}, ["a", "a", "b"], gold)
    assert found["prompted.length_distance"].value == pytest.approx((2 * 90 + 90) / 3)
    assert found["tuned.length_distance"].value == pytest.approx((2 * 2 + 3) / 3)
    assert found["tuned_vs_prompted.length_distance"].value == pytest.approx((7 - 270) / 3)
    assert all(name.endswith(".length_distance") for name in found) and len(found) == 3


def test_every_turn_of_a_conversation_counts_as_a_reply() -> None:
    found = measured({"tuned": [["w " * 10, "w " * 20], ["w " * 30]]}, ["a", "a"], {"a": [["w " * 20]]})
    assert found["tuned.length_distance"].value == pytest.approx(20 / 3)


def test_the_interval_holds_the_figure_does_not_go_below_zero_and_tells_a_real_difference() -> None:
    gold = {name: CHATS[name][:30] for name in CHARACTERS}
    own = [reply for chat in CHATS["john-silver"][30:] for reply in chat][:60]
    said = {"prompted": say(*[120] * 60), "tuned": [[reply] for reply in own]}
    found = measured(said, ["john-silver"] * 60, gold)
    near, difference = found["tuned.length_distance"], found["tuned_vs_prompted.length_distance"]
    assert 0 <= near.lower < near.value < near.upper < 15 and found["prompted.length_distance"].lower > 50
    assert difference.lower < difference.value < difference.upper < 0
    assert found == measured(said, ["john-silver"] * 60, gold) != measured(said, ["john-silver"] * 60, gold, seed=1)


def test_without_a_prompt_there_is_no_figure_and_without_gold_no_distance() -> None:
    assert measured({"tuned": []}, [], {}) == {}
    with pytest.raises(ValueError, match="a is asked and has no gold"):
        measured({"tuned": say(3)}, ["a"], {"b": [["w"]]})
