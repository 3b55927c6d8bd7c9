"""The sums are those of the words one by one, however often and in whatever company they come."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from stages.filter import word_sums
from stages.filter.word_sums import BORDERS, START, WordSums


def number(word: bytes) -> int:
    """Another for each word, as good as always."""
    return sum(place * byte for place, byte in enumerate(word, 1))


def plainly(text: bytes) -> int:
    """The sum by the plain way."""
    found, word = 0, bytes([START])
    for byte in text:
        if byte in BORDERS:
            found, word = found + number(word), b""
        word += bytes([byte])
    return found + number(word)


TEXTS = st.lists(st.lists(st.sampled_from([b"a", b"b", b" ", b"  ", b"\xfe", b"the", "\u00e9".encode(), b"x" * 40]), max_size=12).map(b"".join), max_size=8)


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=3))
def test_the_sums_are_those_of_the_words_one_by_one(pieces: list[list[bytes]]) -> None:
    sums = WordSums(number)
    for texts in pieces:  # words of earlier ones are known
        assert sums.of(texts).tolist() == [plainly(text) for text in texts]


def test_words_are_counted_once_and_forgotten_when_there_are_too_many(monkeypatch) -> None:
    asked = []
    sums = WordSums(lambda word: asked.append(word) or len(word))
    assert sums.of([b"the cat", b"the cat sat"]).tolist() == [8, 12]
    assert sums.of([b"the cat"]).tolist() == [8]
    assert asked == [b"\xffthe", b" cat", b" sat"]
    monkeypatch.setattr(word_sums, "KNOWN", 50)
    texts = [b" ".join(b"%d" % (number * 7919) for number in range(first, first + 30)) for first in range(0, 300, 30)]
    assert sums.of(texts).tolist() == [len(text) + 1 for text in texts]
    assert sums.of(texts).tolist() == [len(text) + 1 for text in texts]


def test_two_words_in_one_place_and_long_words_are_told_apart(monkeypatch) -> None:
    monkeypatch.setattr(word_sums, "SLOTS", 1)
    sums = WordSums(number)
    texts = [b"one two three four five six", b"x" * 64 + b"y " + b"x" * 64 + b"z", b"six five four three two one"]
    for _ in range(2):
        assert sums.of(texts).tolist() == [plainly(text) for text in texts]


def test_texts_larger_than_what_is_looked_at_together_come_alone(monkeypatch) -> None:
    monkeypatch.setattr(word_sums, "AT_ONCE", 16)
    texts = [b"a b", b"c" * 40 + b" d", b"", b"e f g h i j k l m n", b"o"]
    assert WordSums(number).of(texts).tolist() == [plainly(text) for text in texts]
    assert WordSums(number).of([]).tolist() == []
