"""Where the words that a rule found stand: in any case, with any quotation marks, alone before within others."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.filter.passages import excerpt, places


def words(turn: str, found: object) -> list[str]:
    return [turn[first:end] for first, end in places([turn], found)[0]]


@pytest.mark.parametrize(
    ("turn", "found", "expected"),
    [
        ("Now, AS an ai, sir.", "As an AI", ["AS an ai"]),
        ("I can’t do that.", "I can't", ["I can’t"]),
        ("He said “no”.", 'said "no"', ["said “no”"]),
        ("As  an\nAI I", "as an AI", ["As  an\nAI"]),
        ("The maid said AI twice: AI.", "ai", ["AI", "AI"]),
        ("He said.", "ai", ["ai"]),
        ("A smartphone!", "smartphone (1980)", ["smartphone"]),
        ("The radar, then the laser.", "laser (1960), radar (1941)", ["radar", "laser"]),
        ("I would be ready to help", "...ould be ready to he...", ["ould be ready to he"]),
        ("It is (truly) a.b", "(truly) a.b", ["(truly) a.b"]),
        ("Straße, İstanbul, AI", "as an AI", []),
        ("5 words stand 5 here", 5, []),
        ("anything", "", []),
        ("any.thing", "...", []),
    ],
)
def test_the_words_are_found_as_they_stand(turn: str, found: object, expected: list[str]) -> None:
    assert words(turn, found) == expected


def test_a_part_is_looked_for_only_where_the_whole_stands_in_no_turn() -> None:
    assert places(["Very well, sir", "sorry, very well"], "Very well, sir") == [[(0, 14)], []]
    assert places(["sorry", "very well"], "Very well, sorry") == [[(0, 5)], [(0, 9)]]


@given(st.text(max_size=60), st.text(max_size=12))
def test_every_place_lies_in_the_turn_and_they_come_in_order(turn: str, found: str) -> None:
    (spans,) = places([turn], found)
    assert spans == sorted(spans)
    assert all(0 <= first < end <= len(turn) for first, end in spans)


@given(st.text(min_size=1, max_size=60), st.integers(0, 59), st.integers(1, 20), st.integers(1, 30))
def test_an_excerpt_shows_the_beginning_of_the_first_place_and_says_what_it_leaves_out(turn: str, first: int, length: int, size: int) -> None:
    first = min(first, len(turn) - 1)
    end = min(first + length, len(turn))
    shown, inside, before, after = excerpt(turn, [(first, end)], size)
    assert shown == turn[before : len(turn) - after] and len(shown) <= size
    assert inside and all(0 <= start < stop <= len(shown) for start, stop in inside)
    assert turn[first:end].startswith(shown[inside[0][0] : inside[0][1]])


@pytest.mark.parametrize("turn", ["a " * (1 << 19), "as an" + " " * (1 << 20), "as " * 350_000, "'" * (1 << 20)], ids=["a", "spaces", "as", "quotes"])
def test_a_turn_of_a_megabyte_takes_a_second_at_most(turn: str) -> None:
    start = time.perf_counter()
    for found in ("as an AI model", "a a a a b", "''''x", "a, b, c (1)", "(" * (1 << 20), ", a" * 300_000):
        places([turn], found)
    assert time.perf_counter() - start < 6
