from math import nextafter

import pytest

from stages.evaluate.holm import holm


def test_four_p_values_are_multiplied_by_four_three_two_one_from_the_smallest_up():
    # By hand: 0.005 x 4, 0.01 x 3, then 0.03 x 2 = 0.06, and 0.04 x 1 may not be below it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_no_adjusted_value_is_above_one():
    assert holm([0.6, 0.9, 0.7]) == [1.0, 1.0, 1.0]


def test_equal_values_stay_equal():
    assert holm([0.02, 0.02, 0.02]) == pytest.approx([0.06] * 3)


def test_one_test_is_corrected_by_nothing_and_none_at_all_is_no_error():
    assert holm([0.04]) == [0.04]
    assert holm([]) == []


@pytest.mark.parametrize("wrong", [-0.1, nextafter(1, 2), float("nan")])
def test_what_is_no_probability_is_refused(wrong):
    with pytest.raises(ValueError, match="probabilities"):
        holm([0.5, wrong])
