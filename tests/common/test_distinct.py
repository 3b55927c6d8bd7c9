"""Distinct-n, counted by hand."""

from __future__ import annotations

from stages.common.distinct import distinct


def test_distinct_n_counts_different_n_grams_and_none_across_two_replies() -> None:
    replies = [["a", "b", "a", "b"], ["a", "b"]]
    assert [distinct(replies, size) for size in (1, 2, 3)] == [2 / 6, 2 / 4, 1.0]


def test_without_an_n_gram_there_is_no_distinct_n() -> None:
    assert distinct([["a"], ["b"]], 2) is None and distinct([], 1) is None
