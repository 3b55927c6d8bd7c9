"""The chats that stage filter is measured with are what the measurement says they are."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from benchmarks import planted
from benchmarks.planted import EXACT, MISS, NEAR, ORIGINAL
from stages.common.chats import normal, out_of_turn, spoken
from stages.common.schemas import fault

PLAN = planted.plan(300)
RECORDS = [planted.record(PLAN, number, "You are Sherlock Holmes.") for number in range(len(PLAN))]


def trigrams(chat: dict) -> set[tuple[str, ...]]:
    """As stage filter counts them, from the text and by other means than the generator."""
    words = [word for reply in spoken(chat, "gpt") for word in normal(reply).split()]
    return set(zip(words, words[1:], words[2:], strict=False))


def jaccard(one: set, other: set) -> float:
    return len(one & other) / len(one | other)


SETS = [trigrams(chat) for chat in RECORDS]


def copies(kind: int) -> list[tuple[int, int]]:
    return [(number, int(PLAN.original[number])) for number in np.flatnonzero(PLAN.kind == kind)]


def test_every_chat_is_a_valid_record_with_an_id_of_its_own():
    assert [problem for chat in RECORDS if (problem := fault("chat", chat) or out_of_turn(chat))] == []
    assert len({chat["id"] for chat in RECORDS}) == len(RECORDS)
    assert [chat["source"]["line"] for chat in RECORDS] == list(range(1, len(RECORDS) + 1))


def test_a_third_of_the_chats_are_made_of_others_in_the_shares_that_are_told():
    assert [int(np.count_nonzero(PLAN.kind == kind)) for kind in (ORIGINAL, EXACT, NEAR, MISS)] == [195, 6, 84, 15]
    assert set(PLAN.kind[PLAN.original].tolist()) == {ORIGINAL}


def test_near_copies_are_as_alike_to_their_originals_as_planted():
    found = [jaccard(SETS[one], SETS[other]) for one, other in copies(NEAR)]
    assert all(0.8 <= value < 1 for value in found)
    assert min(found) < 0.83 and max(found) > 0.95  # over the whole range


def test_near_misses_stay_below_the_threshold():
    assert all(0.6 <= jaccard(SETS[one], SETS[other]) < 0.78 for one, other in copies(MISS))


def test_exact_copies_say_the_same_in_other_sentences():
    for one, other in copies(EXACT):
        turns = [[turn["value"] for turn in RECORDS[number]["conversations"]] for number in (one, other)]
        assert turns[0] != turns[1]
        assert [normal(turn) for turn in turns[0]] == [normal(turn) for turn in turns[1]]


def test_no_two_chats_are_alike_that_were_not_planted():
    strangers = [(one, other) for one, other in combinations(range(len(PLAN)), 2) if PLAN.original[one] != PLAN.original[other]]
    assert max(jaccard(SETS[one], SETS[other]) for one, other in strangers) < 0.05


def test_the_similarity_that_the_measurement_counts_is_that_of_the_texts():
    for kind in (EXACT, NEAR, MISS):
        for one, other in copies(kind):
            assert planted.similarity(PLAN, one, other) == pytest.approx(jaccard(SETS[one], SETS[other]), abs=1e-12)


def test_a_chat_is_the_same_whenever_it_is_made():
    assert planted.record(planted.plan(300), 17, "You are Sherlock Holmes.") == RECORDS[17]


def test_each_word_of_the_vocabulary_is_one_word_of_its_own():
    words = planted.vocabulary()
    assert len({normal(word) for word in words}) == planted.VOCABULARY
    assert all(len(normal(word).split()) == 1 for word in words)


def test_families_hold_each_copy_once_under_its_original():
    found = [(original, number) for original, made in planted.families(PLAN) for number in made]
    assert sorted(number for _, number in found) == np.flatnonzero(PLAN.kind != ORIGINAL).tolist()
    assert all(PLAN.original[number] == original for original, number in found)
