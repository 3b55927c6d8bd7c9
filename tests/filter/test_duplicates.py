"""Of chats that say the same, or nearly, one stays, and which one is decided by rule."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.common import rows
from stages.common.holdout import split_of
from stages.common.shingles import Shingles, jaccard, shingles
from stages.filter import near_duplicates
from stages.filter.duplicates import duplicates
from stages.filter.near_duplicates import bands, twins
from stages.filter.survey import Survey, Terms, joined, survey
from stages.filter.talk import Role
from tests.chats import HOLDOUT, jsonl, make_chat, plain_chat, prose
from tests.filter.rules import limits
from tests.tokenizer import lay_out

NUMBER = 0  # of a plain chat that falls to train in every kind of source


def surveyed(folder: Path, chats: list[dict], near: float = 0.8) -> Survey:
    base = lay_out(folder / "base")
    terms = Terms({"sherlock-holmes": Role("Sherlock Holmes")}, limits(), frozenset(), tuple(HOLDOUT.values()), (str(base), 4096))
    path = folder / "chats.jsonl"
    path.write_text(jsonl(chats), encoding="utf-8")
    return joined([survey(piece, terms, near) for piece in rows.pieces(path, 4000)])


def dropped(folder: Path, chats: list[dict], near: float = 0.8) -> dict[str, tuple[str, str | float]]:
    """{id of a dropped chat: (rule, id of the one that is kept)}."""
    found = surveyed(folder, chats, near)
    assert not found.drops
    return {chats[number]["id"]: (drop.rule, drop.found) for number, drop in duplicates(found, near).items()}


def of_split(split: str, number: int, **other: object) -> dict:
    """A chat in a split, with the reply of prose(number) in 40 words, asked in words that give it that split."""
    for attempt in range(200):
        chat = make_chat(f"Question {attempt}?", prose(number, 40), **other)
        if split_of(chat, **HOLDOUT) == split:
            return chat
    raise AssertionError(split)


def changed(reply: str, *places: int) -> str:
    """A reply with other words at these places."""
    words = reply.split()
    for place in places:
        words[place] = f"other{place}"
    return " ".join(words)


def test_the_chat_nearest_to_a_human_hand_is_kept_in_whatever_order_they_come(tmp_path: Path) -> None:
    by_kind = {kind: plain_chat(NUMBER, kind=kind) for kind in ("synthetic", "book", "import", "log", "gold")}
    assert {split_of(chat, **HOLDOUT) for chat in by_kind.values()} == {"train"}
    for order in range(5):
        chats = list(by_kind.values())
        random.Random(order).shuffle(chats)
        found = dropped(tmp_path, chats)
        assert set(found) == {chat["id"] for chat in chats} - {by_kind["gold"]["id"]}
        assert {rule for rule, _ in found.values()} == {"duplicate.exact"}


@pytest.mark.parametrize("better, worse", [("test", "validation"), ("validation", "train"), ("test", "train")])
def test_a_chat_that_is_measured_with_is_kept_before_one_that_is_trained_on(tmp_path: Path, better: str, worse: str) -> None:
    kept, gone = of_split(better, 1, kind="import"), of_split(worse, 1, kind="gold")
    assert dropped(tmp_path, [gone, kept]) == dropped(tmp_path, [kept, gone]) == {gone["id"]: ("duplicate.near", kept["id"])}


def test_a_synthetic_chat_that_says_nearly_what_a_test_chat_says_names_it(tmp_path: Path) -> None:
    held = of_split("test", 3)
    copy = make_chat("Something else?", changed(prose(3, 40), 20), kind="synthetic")
    assert dropped(tmp_path, [copy, held]) == {copy["id"]: ("duplicate.near", held["id"])}


def test_chats_that_differ_only_in_case_points_and_spaces_are_the_same(tmp_path: Path) -> None:
    first = make_chat("Who was it?", f"The verger, sir. {prose(1)}")
    second = make_chat("who was it", f"The  VERGER sir! {prose(1).upper()}", kind="synthetic")
    assert dropped(tmp_path, [second, first]) == {second["id"]: ("duplicate.exact", first["id"])}


@pytest.mark.parametrize("other", [("Who was it?", prose(2)), ("Who was it?", prose(1), "Truly?", prose(3)), (f"Who was it? {prose(1)}", prose(2))])
def test_other_words_or_turns_make_another_chat(tmp_path: Path, other: tuple[str, ...]) -> None:
    assert dropped(tmp_path, [make_chat("Who was it?", prose(1)), make_chat(*other)]) == {}


def test_the_same_words_to_another_question_are_a_near_duplicate(tmp_path: Path) -> None:
    first, second = make_chat("Who?", prose(1)), make_chat("And when was that?", prose(1), kind="synthetic")
    assert dropped(tmp_path, [first, second]) == {second["id"]: ("duplicate.near", first["id"])}
    assert dropped(tmp_path, [first, second], near=1) == {}


def test_the_threshold_is_the_true_jaccard(tmp_path: Path) -> None:
    """40 words have 38 trigrams; one other word in the middle changes 3: 35 of 41 are shared, two far apart: 32 of 44."""
    first = make_chat("Who?", prose(1, 40))
    one, two = (make_chat("Who?", changed(prose(1, 40), *places), kind="synthetic") for places in ((20,), (10, 30)))
    assert 35 / 41 > 0.8 > 32 / 44
    assert dropped(tmp_path, [first, one, two]) == {one["id"]: ("duplicate.near", first["id"])}
    assert set(dropped(tmp_path, [first, one, two], near=0.7)) == {one["id"], two["id"]}
    (drop,) = duplicates(surveyed(tmp_path, [first, one]), 0.8).values()
    assert drop.expected == "less than 0.8 of the trigrams in common, not 0.854"


def test_nothing_is_dropped_for_a_twin_that_is_dropped_itself(tmp_path: Path) -> None:
    """A chain: the second is alike to both ends, which are not alike. The ends stay."""
    words = prose(1, 60)
    ends = [make_chat("Who?", changed(words, *places)) for places in ((5, 15), (40, 50))]
    middle = make_chat("Who?", words, kind="synthetic")
    assert dropped(tmp_path, [*ends, middle]) in ({middle["id"]: ("duplicate.near", end["id"])} for end in ends)


texts = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=12), max_size=8)


@given(texts)
def test_shingles_are_the_set_of_trigrams(given_texts: list[list[str]]) -> None:
    column = shingles(given_texts)
    for number, words in enumerate(given_texts):
        grams = set(zip(words, words[1:], words[2:], strict=False)) if len(words) > 2 else {tuple(words)} - {()}
        mine = column.of(number)
        assert len(mine) == len(grams) and (np.diff(mine.astype(np.int64)) > 0).all()
        for other, others in enumerate(given_texts):
            theirs = set(zip(others, others[1:], others[2:], strict=False)) if len(others) > 2 else {tuple(others)} - {()}
            expected = len(grams & theirs) / len(grams | theirs) if grams | theirs else 0.0
            assert jaccard(mine, column.of(other)) == pytest.approx(expected)


def test_texts_without_words_are_nobodys_twins() -> None:
    column = shingles([[], [], ["a"]])
    assert twins(bands(column, 0.8), np.arange(3), 0.8, column) == {}


def test_of_planted_twins_hardly_one_is_missed_and_none_is_wrong() -> None:
    """2,000 texts of 200 words, each with a copy in which some words are others: at least 98 % of those at 0.8 or above are found, and nothing else."""
    draw = random.Random(5)
    words = [[f"w{draw.randrange(3000)}" for _ in range(200)] for _ in range(2000)]
    copies = [[f"x{draw.randrange(3000)}" if draw.random() < share else word for word in text] for text in words for share in [draw.uniform(0.0, 0.08)]]
    column = shingles(words + copies)
    alike = {2000 + number for number in range(2000) if jaccard(column.of(number), column.of(2000 + number)) >= 0.8}
    found = twins(bands(column, 0.8), np.arange(4000), 0.8, column)
    assert 500 < len(alike) < 1500
    assert set(found) <= alike and len(found) >= 0.98 * len(alike)
    assert all(kept == number - 2000 for number, (kept, _) in found.items())


def test_thousands_of_chats_of_one_template_are_no_quadratic_work_and_the_twins_among_them_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 texts of which three quarters are the same words: a similarity of about 0.6. Every tenth has a copy with one other word."""
    template = [f"w{number}" for number in range(150)]
    texts = [[*template, *(f"v{number}x{place}" for place in range(50))] for number in range(2000)]
    column = shingles([*texts, *([*text[:20], "other", *text[21:]] for text in texts[::10])])
    assert 0.55 < jaccard(column.of(0), column.of(1)) < 0.65 < 0.95 < jaccard(column.of(0), column.of(2000))
    pairs = []
    monkeypatch.setattr(near_duplicates, "jaccard", lambda one, other: pairs.append(1) or jaccard(one, other))
    found = twins(bands(column, 0.8), np.arange(2200), 0.8, column)
    assert {number: kept for number, (kept, _) in found.items()} == {2000 + place: 10 * place for place in range(200)}
    assert len(pairs) < 20_000  # of two million


def test_ten_thousand_near_copies_of_one_chat_are_no_quadratic_work(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"w{number}" for number in range(200)]
    column = shingles([[*words[:place], "other", *words[place + 1 :]] for place in range(200)] * 50)
    pairs = []
    monkeypatch.setattr(near_duplicates, "jaccard", lambda one, other: pairs.append(1) or jaccard(one, other))
    assert len(twins(bands(column, 0.8), np.arange(10_000), 0.8, column)) == 9_999
    assert len(pairs) < 20_000


@pytest.mark.parametrize("near", [0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.95])
def test_pairs_just_above_the_bound_are_found_whatever_it_is(near: float) -> None:
    """Fewer minima make a band where less likeness is asked for."""
    draw = np.random.default_rng(5)
    shared, pairs = 400, 300
    own = int(shared * (1 / near - 1))  # of one of a pair: shared / (shared + own) is just above the bound
    texts = []
    for _ in range(pairs):
        words = draw.integers(0, 2**32, shared + own).tolist()
        texts += [words[:shared], words]
    column = Shingles(np.concatenate([np.sort(np.array(text, np.uint32)) for text in texts]), np.concatenate([[0], np.cumsum([len(text) for text in texts])]))
    found = twins(bands(column, near), np.arange(2 * pairs), near, column)
    assert len(found) >= 0.97 * pairs


def test_of_two_of_one_id_the_one_that_was_not_cut_stays(tmp_path: Path) -> None:
    long = [part for number in range(12) for part in (f"Question {number}?", prose(number, 60))]
    whole, short = make_chat(*long, file="a", line=1), make_chat(*long[:4], file="a", line=2)
    base = lay_out(tmp_path / "base")
    for order in ([whole, short], [short, whole]):
        (tmp_path / "chats.jsonl").write_text(jsonl(order), encoding="utf-8")
        for limit in range(200, 4000, 10):
            terms = Terms({"sherlock-holmes": Role("Sherlock Holmes")}, limits(), frozenset(), tuple(HOLDOUT.values()), (str(base), limit))
            found = joined([survey(piece, terms, 0.8) for piece in rows.pieces(tmp_path / "chats.jsonl")])
            if found.ids == [short["id"]] * 2:
                break
        (gone,) = duplicates(found, 0.8)
        assert order[gone] is whole
