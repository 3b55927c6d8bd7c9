from itertools import product

import pytest

from stages.evaluate.sign_flips import sign_flips
from stages.evaluate.sign_test import sign_test


@pytest.mark.parametrize("differences", [[3, -1, 2, 2, 0, 4], [1, -1, 5], [-2, -2, -3, 1], [7]])
def test_the_p_value_is_the_share_of_all_flips_that_go_as_far(differences: list[int]) -> None:
    sums = [abs(sum(sign * one for sign, one in zip(signs, differences, strict=True))) for signs in product((-1, 1), repeat=len(differences))]
    assert sign_flips(differences) == sum(one >= abs(sum(differences)) for one in sums) / len(sums)


def test_with_differences_of_one_it_is_the_sign_test() -> None:
    assert sign_flips([1] * 16 + [-1] * 5 + [0] * 3) == pytest.approx(sign_test(16, 5), rel=1e-12)


def test_no_difference_says_nothing() -> None:
    assert sign_flips([]) == sign_flips([0, 0]) == 1.0


def test_a_hundred_prompts_with_four_raters_are_counted_out() -> None:
    assert 0 < sign_flips([3] * 60 + [-3] * 40) == pytest.approx(sign_test(60, 40), rel=1e-9)
    assert sign_flips([16] * 100) == pytest.approx(2 / 2**100)
