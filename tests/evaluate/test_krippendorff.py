import numpy as np
import pytest

from stages.evaluate.krippendorff import alpha, estimate

N = None
# Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, section C: four observers, twelve units; the figures are his for each metric.
PUBLISHED = list(
    zip(
        [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
        [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
        strict=True,
    )
)
# The computational example of Wikipedia's article on alpha: three coders, fifteen units.
THREE = list(
    zip(
        [N, N, N, N, N, 3, 4, 1, 2, 1, 1, 3, 3, N, 3],
        [1, N, 2, 1, 3, 3, 4, 3, N, N, N, N, N, N, N],
        [N, N, 2, 1, 3, 4, 4, N, 2, 1, 1, 3, 3, N, 4],
        strict=True,
    )
)


@pytest.mark.parametrize(("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_the_published_one(level, published):
    assert alpha(PUBLISHED, level) == pytest.approx(published, abs=5e-4)


@pytest.mark.parametrize(("level", "published"), [("nominal", 0.691), ("interval", 0.811)])
def test_alpha_of_another_published_example(level, published):
    assert alpha(THREE, level) == pytest.approx(published, abs=5e-4)


def test_alpha_derived_by_hand():
    # Two raters, values 1 1 | 2 2 | 1 2: each value is given three times. Seen: the last unit gives (1, 2) and (2, 1), 2 of 6 values. By lot:
    # 3 x 3 twice, over 6 - 1. Nominal, where 1 and 2 are one apart: 1 - 2 / (18 / 5) = 4/9. Only two values, so every level says the same.
    for level in ("nominal", "ordinal", "interval"):
        assert alpha([(1, 1), (2, 2), (1, 2)], level) == pytest.approx(4 / 9)
    # Values 1 1 | 1 3 | 3 2: n1 = 3, n2 = 1, n3 = 2. Interval: seen 2 x (4 + 1) = 10; by lot 2 x (3 x 1 x 1 + 3 x 2 x 4 + 1 x 2 x 1) / 5 = 11.6.
    assert alpha([(1, 1), (1, 3), (3, 2)], "interval") == pytest.approx(1 - 10 / 11.6)
    # Ordinal: from 1 to 2 is 3 + 1 - (3 + 1) / 2 = 2; from 1 to 3 is 6 - (3 + 2) / 2 = 3.5; from 2 to 3 is 3 - (1 + 2) / 2 = 1.5.
    seen, by_lot = 2 * (3.5**2 + 1.5**2), 2 * (3 * 1 * 2**2 + 3 * 2 * 3.5**2 + 1 * 2 * 1.5**2) / 5
    assert alpha([(1, 1), (1, 3), (3, 2)], "ordinal") == pytest.approx(1 - seen / by_lot)


def test_raters_who_agree_have_one_and_raters_who_say_the_opposite_are_below_zero():
    assert alpha([(1, 1, 1), (5, 5), (2, 2)], "ordinal") == 1.0
    assert alpha([(1, 5), (5, 1), (1, 5), (5, 1)], "ordinal") < -0.5


def test_raters_by_lot_are_near_zero():
    values = np.random.default_rng(3).integers(1, 6, size=(2_000, 3)).tolist()
    assert abs(alpha(values, "ordinal")) < 0.03


def test_an_item_with_one_value_changes_nothing_and_neither_do_places_without_any():
    items = [(1, 2), (3, 3), (2, 2)]
    assert alpha([*items, (5,), (), (N, 4, N)], "ordinal") == alpha(items, "ordinal") == alpha([(N, b, a) for a, b in items], "ordinal")


@pytest.mark.parametrize("items", [[], [(1,), (2,)], [(3, 3), (3, 3)]])
def test_where_nothing_could_have_shown_disagreement_there_is_no_alpha(items):
    assert alpha(items, "ordinal") is None
    assert estimate(items, "ordinal", 100, 0.95, np.random.default_rng(1)) is None


def test_the_interval_holds_alpha_repeats_itself_and_narrows_with_more_items():
    few, again = (estimate(THREE, "ordinal", 2_000, 0.95, np.random.default_rng(1)) for _ in range(2))
    many = estimate(THREE * 16, "ordinal", 2_000, 0.95, np.random.default_rng(1))
    assert few == again and few.value == alpha(THREE, "ordinal")
    assert few.lower < few.value < few.upper <= 1
    assert many.upper - many.lower < (few.upper - few.lower) / 2


def test_the_bootstrap_of_two_items_is_the_one_that_can_be_counted_by_hand():
    # Of (1, 1), (1, 2): twice the first has no alpha, twice the second 1 - 4 / (2 x 2 x 2 / 3) = -1/2, one of each 1 - 2 / (2 x 3 x 1 / 3) = 0.
    found = estimate([(1, 1), (1, 2)], "nominal", 4_000, 0.95, np.random.default_rng(1))
    assert (found.value, found.lower, found.upper) == pytest.approx((0.0, -0.5, 0.0))
