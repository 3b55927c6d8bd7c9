import pytest

from stages.evaluate.sign_test import MOST, sign_test, votes_needed, win_rate


def test_the_p_value_is_exact():
    assert sign_test(9, 1) == sign_test(1, 9) == 22 / 1024  # (1 + 10) of 1,024 on either side
    assert sign_test(6, 0) == 2 / 64
    assert sign_test(60, 40) == pytest.approx(0.0568879336, abs=1e-10)
    assert sign_test(600, 400) == pytest.approx(2.728464156e-10, rel=1e-9)  # summed in logarithms


def test_an_even_vote_and_no_vote_at_all_say_nothing():
    assert sign_test(5, 5) == sign_test(0, 0) == 1.0


def test_a_tie_counts_half_in_the_win_rate():
    rate = win_rate(50, 20, 30, 0.95)
    assert rate.value == 0.6
    assert (rate.lower, rate.upper) == pytest.approx((0.5020, 0.6906), abs=5e-5)  # Wilson's for 60 of 100
    with pytest.raises(ValueError):
        win_rate(0, 0, 0, 0.95)


@pytest.mark.parametrize(("wins", "losses", "needed"), [(60, 40, 210), (65, 35, 97), (70, 30, 54), (75, 25, 35), (30, 70, 54), (10, 0, 6)])
def test_votes_needed_are_the_published_figures(wins, losses, needed):
    assert votes_needed(wins, losses, 0.95) == needed


def power(votes: int, share: float) -> float:
    """Of a sign test at 5 %, from its definition, vote by vote."""
    chances = [1.0]
    for _ in range(votes):
        chances = [a * share + b * (1 - share) for a, b in zip([0.0, *chances], [*chances, 0.0], strict=True)]
    return sum(chance for won, chance in enumerate(chances) if sign_test(won, votes - won) <= 0.05)


@pytest.mark.parametrize(("wins", "losses"), [(62, 38), (4, 1)])
def test_from_the_votes_needed_on_the_power_never_falls_below_eighty_percent(wins, losses):
    share, needed = wins / (wins + losses), votes_needed(wins, losses, 0.95)
    assert power(needed - 1, share) < 0.8
    assert all(power(votes, share) >= 0.8 for votes in range(needed, needed + 40))


def test_where_both_win_as_often_or_almost_no_number_of_votes_is_named():
    assert votes_needed(5, 5, 0.95) is None
    assert votes_needed(0, 0, 0.95) is None
    assert votes_needed(513, 487, 0.95) is None
    assert votes_needed(520, 480, 0.95) < MOST


def test_a_higher_confidence_and_more_power_need_more_votes():
    assert votes_needed(65, 35, 0.99) > 97
    assert votes_needed(65, 35, 0.95, power=0.9) > 97
