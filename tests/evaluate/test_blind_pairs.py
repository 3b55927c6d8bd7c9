"""Who sees what: nothing on the page tells whose an answer is, and everything comes again from the same answers."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256

import pytest

from stages.evaluate import blind_page, blind_pairs
from tests.evaluate.rated import PAIR, exchange, page_of

MANY = [exchange(number) for number in range(60)]


def test_the_same_answers_and_seed_give_the_same_page_and_another_seed_another() -> None:
    assert page_of(MANY) == page_of(MANY)
    assert page_of(MANY, seed=6)[1]["page"] != page_of(MANY)[1]["page"]


def test_as_many_prompts_as_asked_for_are_chosen_each_once_and_fewer_where_there_are_fewer() -> None:
    for count, expected in ((20, 20), (60, 60), (100, 60)):
        pairs = [item.exchange.id for item in page_of(MANY, count=count)[0] if item.a.place.kind == "pair"]
        assert len(pairs) == len(set(pairs)) == expected
    assert {item.exchange.id for item in page_of(MANY, count=20)[0]} < {one.id for one in MANY}


def test_each_arm_is_a_in_half_of_the_pairs() -> None:
    sides = Counter(item.a.place.arm for item in page_of(MANY)[0] if item.a.place.kind == "pair")
    assert sides == {"prompted": 30, "tuned": 30}


def test_sides_and_order_do_not_follow_from_the_seed_alone() -> None:
    drawn = [[(item.exchange.id, item.a.place.arm) for item in page_of(MANY, content=content)[0] if item.a.place.kind == "pair"] for content in (b"1", b"2")]
    assert [name for name, _ in drawn[0]] != [name for name, _ in drawn[1]]
    assert sum(dict(drawn[0])[name] == arm for name, arm in drawn[1]) not in (0, 60)


def test_every_id_is_another_and_depends_on_answers_that_the_page_does_not_show() -> None:
    shown = [page_of(MANY, content)[1] for content in (b"with one answer by base", b"with another")]
    ids = [[item[side]["id"] for item in one["items"] for side in ("a", "b")] for one in shown]
    assert len(set(ids[0])) == len(ids[0]) and not set(ids[0]) & set(ids[1])


def test_the_salt_follows_neither_from_the_hash_that_the_page_names_nor_from_its_own_text() -> None:
    content = b"answers.jsonl"
    items, shown, key = page_of(MANY, content)
    known = [shown["answers"].encode(), bytes.fromhex(shown["answers"]), shown["page"].encode(), json.dumps(shown["items"]).encode(), content[:-1]]
    guesses = {digest for one in known for digest in (blind_pairs.salt_of(one).hex(), sha256(one).hexdigest())}
    assert key["salt"] not in guesses and key["salt"] not in json.dumps(shown)
    assert shown["answers"] == sha256(content).hexdigest()


def test_the_pages_source_names_no_arm_no_prompt_and_no_kind_of_item() -> None:
    html = blind_page.render(page_of(MANY)[1])
    for told in (*PAIR, "evaluation-0", "nobody", '"bad"', '"again"', '"pair"'):
        assert told not in html, told


def test_an_item_of_every_kind_has_the_same_fields() -> None:
    _, shown, key = page_of(MANY)
    assert {item["kind"] for item in key["items"]} == {"pair", "again", "bad"}
    assert {(tuple(item), tuple(item["a"]), tuple(item["b"])) for item in shown["items"]} == {(("name", "prompt", "a", "b"), ("id", "text"), ("id", "text"))}


def test_one_pair_in_ten_comes_back_later_with_its_sides_exchanged() -> None:
    items = page_of(MANY)[0]
    first = {item.exchange.id: (place, item) for place, item in enumerate(items) if item.a.place.kind == "pair"}
    again = [(place, item) for place, item in enumerate(items) if item.a.place.kind == "again"]
    assert len(again) == 6
    for place, item in again:
        before, original = first[item.exchange.id]
        assert before < place
        assert (item.a.text, item.b.text) == (original.b.text, original.a.text)


def test_one_item_in_ten_has_an_answer_of_words_thrown_together_on_either_side() -> None:
    bad = [item for item in page_of(MANY)[0] if item.a.place.kind == "bad"]
    assert len(bad) == 6
    for item in bad:
        (real,) = [side for side in (item.a, item.b) if side.place.arm != "nobody"]
        (thrown,) = [side for side in (item.a, item.b) if side.place.arm == "nobody"]
        assert real.place.arm in PAIR and real.text == item.exchange.answers[real.place.arm].text
        assert len(thrown.text.split()) == max(12, len(real.text.split())) and thrown.text != real.text


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_few_prompts_make_a_page_too(count: int) -> None:
    items, _, key = page_of(MANY[:count])
    kinds = Counter(item["kind"] for item in key["items"])
    assert kinds["pair"] == count and kinds["bad"] == min(2, count) and kinds["again"] == min(2, count // 2)
    assert items[0].a.place.kind == "pair"


def test_answers_without_a_word_are_shown_and_have_a_catch_item_all_the_same() -> None:
    items, _, _ = page_of([exchange(0, base="", prompted="", tuned=" ")])
    assert [item.a.place.kind for item in items] == ["pair", "bad"]


def test_the_key_and_the_answers_alone_give_each_id_its_meaning_back() -> None:
    _, _, key = page_of(MANY, count=10)
    meaning = blind_pairs.places(MANY, blind_pairs.salt_of(b"answers.jsonl"))
    for item in key["items"]:
        for side in ("a", "b"):
            place = meaning[item[side]["id"]]
            assert (place.kind, place.prompt, place.character, place.arm) == (item["kind"], item["prompt"], item["character"], item[side]["arm"])


def test_the_order_of_the_lines_makes_no_other_answers_and_one_letter_does() -> None:
    assert blind_pairs.in_order(b'{"b": 1}\n{"a": 2}\n') == blind_pairs.in_order(b'{"a": 2}\n{"b": 1}') == b'{"a": 2}\n{"b": 1}'
    assert blind_pairs.in_order(b'{"b": 1}\n{"a": 3}\n') != blind_pairs.in_order(b'{"b": 1}\n{"a": 2}\n')
