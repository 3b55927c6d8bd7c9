"""The join finds every pair, and the columns' sets meet where they do: against every pair looked at."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.split import meeting, similarity
from stages.split.columns import Ragged
from stages.split.similarity import alike, highest, rarest_first

# Few different members and many of one frequency: prefixes that meet by chance, ties in the order.
SETS = st.lists(st.sets(st.integers(0, 25), max_size=14), min_size=1, max_size=25)


def ragged(sets: list[set[int]], dtype: type = np.uint32) -> Ragged:
    """Sets as a column, their members spread over all bits."""
    factor = 0x9E3779B1 if dtype is np.uint32 else 0x9E3779B97F4A7C15
    members = [np.sort(np.array([(one * factor) % 2 ** (32 if dtype is np.uint32 else 64) for one in each], dtype)) for each in sets]
    return Ragged(np.concatenate([np.zeros(0, dtype), *members]), np.cumsum([0, *map(len, sets)]))


def sets_of(sets: list[set[int]], ones: np.ndarray) -> similarity.Sets:
    """The sets as the stage has them: without members that stand on one side alone."""
    column = ragged(sets)
    return rarest_first(meeting.crossing(column, ones.astype(np.uint8)), column.lengths)


def jaccard(one: set, other: set) -> float:
    return len(one & other) / len(one | other) if one & other else 0.0


def by_looking(sets: list[set[int]], half: int, least: float) -> dict[tuple[int, int], float]:
    pairs = {(a, b): jaccard(sets[a], sets[b]) for a in range(half) for b in range(half, len(sets))}
    return {pair: similar for pair, similar in pairs.items() if similar and similar >= least - 1e-12}


@settings(deadline=None, max_examples=300)
@given(sets=SETS, least=st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.6, 2 / 3, 0.7, 0.8, 1.0]), data=st.data())
def test_all_pairs_that_reach_the_bound_are_found_and_no_others(sets, least, data) -> None:
    half = data.draw(st.integers(0, len(sets)))
    ones = np.arange(len(sets)) < half
    with mock.patch.multiple(similarity, CHATS=4, PAIRS=7, CHECKED=5), mock.patch.object(meeting, "AT_ONCE", 6):
        found = alike(sets_of(sets, ones), ones, ~ones, least)
    expected = by_looking(sets, half, least)
    assert {(a, b): similar for a, b, similar in zip(*(column.tolist() for column in found), strict=True)} == pytest.approx(expected)


@settings(deadline=None, max_examples=200)
@given(sets=SETS, data=st.data())
def test_the_highest_similarity_is_the_highest(sets, data) -> None:
    half = data.draw(st.integers(0, len(sets)))
    ones = np.arange(len(sets)) < half
    top = max(by_looking(sets, half, 0.0).values(), default=0.0)
    if top < 0.8:
        assert highest(sets_of(sets, ones), ones, ~ones, 0.8)[0] == pytest.approx(top)


@settings(deadline=None, max_examples=100)
@given(sets=SETS, most=st.integers(0, 30))
def test_where_the_search_is_cut_off_the_figure_is_a_bound_that_holds(sets, most) -> None:
    ones = np.arange(len(sets)) % 2 == 0
    top = max((jaccard(sets[a], sets[b]) for a in range(0, len(sets), 2) for b in range(1, len(sets), 2)), default=0.0)
    with mock.patch.multiple(similarity, MOST_CANDIDATES=most, MOST_MEMBERS=200):
        found, searched = highest(sets_of(sets, ones), ones, ~ones, 1.1)
    assert top <= found + 1e-9
    if found > searched:
        assert found == pytest.approx(top)


@settings(deadline=None, max_examples=200)
@given(sets=SETS, but=st.sets(st.integers(0, 25)), bound=st.integers(0, 5))
def test_who_meets_whom_and_what_is_shared_is_what_looking_tells(sets, but, bound) -> None:
    column, ones = ragged(sets, np.uint64), np.arange(len(sets)) % 2 == 0
    left = np.sort(ragged([but], np.uint64).values)
    together = {a: set().union(*(sets[b] for b in range(1, len(sets), 2))) & sets[a] - but for a in range(0, len(sets), 2)}
    with mock.patch.object(meeting, "AT_ONCE", 6):
        pairs = meeting.met(column, ones, ~ones, left)
        assert set(pairs) == {a for a, shared in together.items() if shared}
        assert all(b % 2 == 1 and sets[a] & sets[b] - but for a, b in pairs.items())
        values = ragged([set().union(*together.values())], np.uint64).values
        assert meeting.shared(column, ones, ~ones, left).tolist() == sorted(values.tolist())
        groups = np.arange(len(sets)) // 4  # two and two of those looked at
        counts = {one: len({a // 4 for a in range(0, len(sets), 2) if one in sets[a]}) for one in but}
        frequent = ragged([{one for one, count in counts.items() if count > bound}], np.uint64).values
        assert meeting.in_more_than(column, ones, left, bound, groups).tolist() == sorted(frequent.tolist())


def test_a_value_that_stands_twice_in_one_chat_counts_once() -> None:
    column = Ragged(np.array([5, 5, 5, 7, 5], np.uint64), np.array([0, 3, 5]))
    wanted = np.array([5, 7], np.uint64)
    assert meeting.in_more_than(column, np.ones(2, bool), wanted, 1, np.arange(2)).tolist() == [5]
    assert meeting.in_more_than(column, np.ones(2, bool), wanted, 2, np.arange(2)).tolist() == []


@settings(deadline=None, max_examples=200)
@given(sets=SETS, data=st.data())
def test_what_stands_in_two_homes_is_left(sets, data) -> None:
    homes = data.draw(st.lists(st.integers(0, 2), min_size=len(sets), max_size=len(sets)))
    column = ragged(sets)
    with mock.patch.object(meeting, "AT_ONCE", 6):
        left = meeting.crossing(column, np.array(homes, np.uint8))
    there = {one: {home for each, home in zip(sets, homes, strict=True) if one in each} for one in range(26)}
    expected = ragged([{one for one in each if len(there[one]) > 1} for each in sets])
    for number in range(len(sets)):
        assert set(expected.of(number).tolist()) <= set(left.of(number).tolist()) <= set(column.of(number).tolist())
        assert left.of(number).tolist() == sorted(left.of(number).tolist())


def test_most_of_what_stands_in_one_home_alone_is_gone() -> None:
    draw = np.random.default_rng(1)
    column = Ragged(draw.integers(0, 2**64, 30_000, np.uint64), np.arange(0, 30_001, 3))
    homes = draw.integers(0, 3, 10_000).astype(np.uint8)
    assert len(meeting.crossing(column, homes).values) < 0.1 * 30_000
    assert len(meeting.crossing(column, np.zeros_like(homes)).values) == 0
