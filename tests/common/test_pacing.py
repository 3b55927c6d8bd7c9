"""How many requests go at once, and how many a minute. Time is a number here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.common.pacing import CREDIT, Pace


def test_so_many_go_at_once_and_no_more() -> None:
    pace = Pace(3)
    assert [pace.free(running) for running in range(5)] == [True, True, True, False, False]


def test_too_many_requests_halves_once_a_wave_and_never_below_one() -> None:
    pace = Pace(8)
    assert pace.refused(sent=0.0, now=1.0) == 1
    assert pace.refused(sent=0.5, now=1.1) == 1  # of the same wave: sent before the halving
    assert pace.limit == 4
    assert pace.refused(sent=2.0, now=3.0) == 2
    assert pace.limit == 2
    for wave in range(3, 9):
        assert pace.refused(sent=float(2 * wave), now=2.0 * wave + 1) == wave
    assert pace.limit == 1 and pace.free(0)


def test_an_answer_ends_the_count_of_waves() -> None:
    pace = Pace(8)
    pace.refused(sent=0.0, now=1.0)
    pace.answered()
    assert pace.refused(sent=2.0, now=3.0) == 1


def test_answers_raise_it_by_one_for_as_many_as_go_at_once_after_as_many_of_calm() -> None:
    pace = Pace(8)
    pace.refused(sent=0.0, now=1.0)
    grown = []
    for _ in range(4 + 5):
        pace.answered()
        grown.append(pace.limit)
    assert grown[:4] == [4, 4, 4, 4]
    assert 4 < grown[4] < 5 and grown[8] == pytest.approx(5, abs=0.2)
    for _ in range(200):
        pace.answered()
    assert pace.limit == 8


def test_a_server_error_halts_growth_and_does_not_shrink() -> None:
    pace = Pace(8)
    pace.refused(sent=0.0, now=1.0)
    for _ in range(4):
        pace.answered()
    pace.stumbled()
    for _ in range(4):
        pace.answered()
    assert pace.limit == 4
    pace.answered()
    assert pace.limit > 4


def test_a_closed_endpoint_is_asked_at_the_latest_of_the_times_named() -> None:
    pace = Pace(8)
    pace.close(10.0)
    pace.close(7.0)
    assert (pace.wait(4.0), pace.wait(9.5), pace.wait(10.0), pace.wait(11.0)) == (6.0, 0.5, 0.0, 0.0)


def test_without_limits_nobody_waits() -> None:
    pace = Pace(8)
    pace.went(10**6, 0.0)
    assert pace.wait(0.0) == 0.0


@given(
    st.floats(1, 100_000),
    st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
def test_no_minute_holds_more_than_its_limit(a_minute: float, pauses: list[float]) -> None:
    """Whoever asks as early as may be, with pauses of its own."""
    pace, now, went = Pace(8, requests_per_minute=a_minute), 0.0, []
    for pause in pauses:
        now += pause
        now += pace.wait(now)
        assert pace.wait(now) <= 1e-6
        pace.went(1, now)
        went.append(now)
    for start in went:
        assert sum(start <= at < start + 60 for at in went) <= a_minute * (1 + CREDIT / 60) + 1


def test_a_late_timer_does_not_lower_the_rate() -> None:
    pace, now = Pace(8, requests_per_minute=60_000), 0.0
    for _ in range(1000):
        now += pace.wait(now) + 0.0005  # half of what one request takes
        pace.went(1, now)
    assert now == pytest.approx(1.0, abs=0.15)


def test_tokens_are_counted_by_what_a_request_probably_takes() -> None:
    pace = Pace(8, tokens_per_minute=6000)
    pace.went(500, 0.0)
    assert pace.wait(0.0) == pytest.approx(5.0 - CREDIT)
