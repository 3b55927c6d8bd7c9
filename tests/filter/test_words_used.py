"""Lengths, variety and over-used words, against counts by hand and against their own laws."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.common.distinct import distinct
from stages.common.whole_words import words_of
from stages.filter import words_used
from stages.filter.words_used import EDGES, lengths, overused, variety

COMMON = "the of and to in that it was his he with as for had you not be on at by which".split()


def drawn(count: int, seed: int, also: str = "") -> list[str]:
    """Replies of 40 common words, each with `also` once."""
    random_words = random.Random(seed)
    return [" ".join([*random_words.choices(COMMON, k=40), also]).strip() for _ in range(count)]


def test_lengths_lie_in_bins_of_ten_words_the_last_open() -> None:
    found = lengths(["one two", " ".join(["w"] * 10), " ".join(["w"] * 19), " ".join(["w"] * 5000)])
    assert found is not None
    assert dict(zip(EDGES, found.shares, strict=True)) == {**dict.fromkeys(EDGES, 0.0), 0: 0.25, 10: 0.5, 120: 0.25}
    assert (found.mean, found.replies) == ((2 + 10 + 19 + 5000) / 4, 4)


def test_without_a_reply_there_are_no_lengths_no_variety_and_no_words() -> None:
    assert lengths([]) is None
    assert variety([], ["Words."]) is None and variety(["Words."], []) is None and variety(["..."], ["Words."]) is None
    assert overused([], ["Words."]) == overused(["Words."], []) == []


def test_variety_is_measured_in_equally_many_words_so_that_dropping_chats_at_random_changes_nothing() -> None:
    before = drawn(4000, 1)
    found = variety(before, before[::4])
    assert found is not None
    assert found.words == 40 * 1000
    assert found.after == pytest.approx(found.before, abs=0.01)
    assert distinct([words_of(reply) for reply in before], 3) < found.before[2] - 0.1  # of all of them it would not have been


def test_variety_rises_when_copies_go() -> None:
    different = drawn(200, 2)
    found = variety(different + different[:10] * 20, different)
    assert found is not None
    assert found.before[2] < found.after[2] - 0.1


def test_a_word_of_the_teachers_tops_the_list_with_its_rates() -> None:
    here, gold = drawn(200, 3, "delve"), drawn(200, 4)
    (first,) = overused(here, gold)
    assert (first.word, first.gold) == ("delve", 0.0)
    assert first.here == pytest.approx(1000 / 41)
    assert first.ratio > 10


def test_equal_texts_over_use_nothing_and_a_rare_word_is_not_on_the_list() -> None:
    gold = drawn(300, 5)
    assert overused(gold, gold) == []
    assert overused([*drawn(300, 6), "Abracadabra"], gold) == []  # once in 12,000 words
    assert [one.word for one in overused([*drawn(300, 6), "Abracadabra " * 60], gold)] == ["abracadabra"]


def test_the_list_is_as_long_as_asked_and_the_surest_word_is_first() -> None:
    gold = drawn(200, 7)
    here = [f"{reply} {'delve ' * 3} {'tapestry ' * (place % 2)} testament" for place, reply in enumerate(drawn(200, 8))]
    assert [one.word for one in overused(here, gold)] == ["delve", "testament", "tapestry"]
    assert [one.word for one in overused(here, gold, limit=2)] == ["delve", "testament"]


def test_an_apostrophe_belongs_to_the_word_and_a_quotation_mark_does_not() -> None:
    assert words_of("‘Don’t,’ said I, 'you mustn't'") == ["don't", "said", "i", "you", "mustn't"]


@given(st.lists(st.text(max_size=40), max_size=6), st.lists(st.text(max_size=40), max_size=6))
def test_whatever_was_said_shares_lie_between_none_and_all(here: list[str], gold: list[str]) -> None:
    if found := lengths(here):
        assert sum(found.shares) == pytest.approx(1)
    if found := variety(here, gold):
        assert all(0 < share <= 1 for share in (*found.before, *found.after))
    assert all(one.ratio > 1 and one.here > one.gold for one in overused(here, gold))


def test_a_million_words_cost_no_more_than_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words_used, "VARIETY_WORDS", 1000)
    found = variety(drawn(3000, 9), drawn(3000, 10))
    assert found is not None and found.words == 1000


def test_a_line_of_a_megabyte_takes_a_second_at_most() -> None:
    for line in ("'" * (1 << 20), "a'" * (1 << 19), "x" * (1 << 20), " ’" * (1 << 19)):
        start = time.perf_counter()
        lengths([line])
        variety([line], [line])
        overused([line], [line])
        assert time.perf_counter() - start < 3
