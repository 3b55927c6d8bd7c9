"""The win rate at equal length: what it must be where it can be known, and what holds for any votes."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.evaluate.length_controlled import length_features, win_rate

VOTES = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.integers(-80, 80)), min_size=2, max_size=40)


def test_where_no_answer_is_longer_it_is_the_win_rate_with_one_tie_more() -> None:
    found = win_rate([1, 1, 1, 1, 1, 1, 1, 0, 0, 0.5], [0] * 10, 0.95)
    assert found.value == pytest.approx(8 / 11)
    # The interval is the logit's: its variance is 1 / (n p (1 - p)), with n = 11.
    half = NormalDist().inv_cdf(0.975) / np.sqrt(11 * (8 / 11) * (3 / 11))
    assert found.lower == pytest.approx(1 / (1 + np.exp(-(np.log(8 / 3) - half))))
    assert found.upper == pytest.approx(1 / (1 + np.exp(-(np.log(8 / 3) + half))))


def test_the_features_are_the_hyperbolic_tangent_of_the_difference_in_standard_deviations() -> None:
    assert length_features([-10, 0, 10]) == pytest.approx(np.tanh([-1, 0, 1]))


@given(VOTES)
@settings(deadline=None, max_examples=100)
def test_the_other_arms_rate_is_one_minus_it_and_so_are_the_ends(votes: list[tuple[float, int]]) -> None:
    points, longer = [point for point, _ in votes], [words for _, words in votes]
    found = win_rate(points, longer, 0.95)
    swapped = win_rate([1 - point for point in points], [-words for words in longer], 0.95)
    if found is None:
        assert swapped is None and len(set(longer)) == 1
    else:
        assert found.value + swapped.value == pytest.approx(1, abs=1e-9)
        assert found.lower + swapped.upper == pytest.approx(1, abs=1e-9)
        assert 0 < found.lower < found.value < found.upper < 1


def test_the_order_of_the_pairs_does_not_matter() -> None:
    points, longer = [1, 0, 1, 0.5, 1, 0], [5, -3, 20, 0, -7, 11]
    assert win_rate(points[::-1], longer[::-1], 0.95).value == pytest.approx(win_rate(points, longer, 0.95).value, abs=1e-12)


def test_a_gain_that_is_all_length_vanishes_and_one_that_is_not_stays() -> None:
    draw = np.random.default_rng(1)
    longer = draw.normal(30, 40, 400).round()
    by_length = win_rate((longer > 0).astype(float), longer, 0.95)
    assert by_length.value == pytest.approx(0.5, abs=0.1) and by_length.lower < 0.5 < by_length.upper
    by_worth = win_rate((draw.random(400) < 0.75).astype(float), longer, 0.95)
    assert by_worth.value == pytest.approx(0.75, abs=0.1) and by_worth.lower > 0.5


def test_the_intervals_hold_the_truth_as_often_as_they_say() -> None:
    draw, theta, held, runs = np.random.default_rng(2), 0.5, 0, 400
    for _ in range(runs):
        longer = draw.normal(15, 40, 48)
        chance = 1 / (1 + np.exp(-(theta + 1.2 * length_features(longer))))
        found = win_rate((draw.random(48) < chance).astype(float), longer, 0.95)
        held += found.lower <= 1 / (1 + np.exp(-theta)) <= found.upper
    assert 0.92 <= held / runs <= 0.98


def test_where_one_arm_wins_all_the_interval_has_a_width() -> None:
    found = win_rate([1] * 24, list(range(-12, 12)), 0.95)
    assert found.value > 0.9 and found.lower < 0.9


@pytest.mark.parametrize("longer", [[], [7], [7, 7, 7]])
def test_where_length_cannot_be_told_from_the_arm_there_is_none(longer: list[int]) -> None:
    assert win_rate([1] * len(longer), longer, 0.95) is None
