"""Which entries of a lorebook apply to what was said, and in which order."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.common.errors import UserError
from stages.common.lorebook import around, fault, matching
from tests.cards import book


def applies(said: list[str], **entry: object) -> bool:
    return matching(book(entry), said) == ["He plays."]


def test_an_entry_applies_where_one_of_its_keys_occurs_in_any_case() -> None:
    assert applies(["Is that a VIOLIN?"]) and applies(["Hm.", "the violins"]) and applies(["STRASSE"], keys=["flute", "straße"])
    assert not applies([]) and not applies(["viol", "in"]) and not applies(["a flute"])


def test_a_case_sensitive_key_occurs_as_it_is_written() -> None:
    assert applies(["The Violin."], keys=["Violin"], case_sensitive=True)
    assert not applies(["The violin."], keys=["Violin"], case_sensitive=True)


def test_a_blank_key_occurs_nowhere() -> None:
    assert not applies(["anything at all"], keys=["", "  "])


def test_a_constant_entry_always_applies_and_one_that_is_not_enabled_never() -> None:
    assert applies([], constant=True) and applies([], constant=True, keys=[])
    assert not applies(["violin"], enabled=False) and not applies([], enabled=False, constant=True)


def test_a_selective_entry_needs_a_secondary_key_too() -> None:
    assert applies(["a violin", "at night"], selective=True, secondary_keys=["day", "Night"])
    assert not applies(["a violin"], selective=True, secondary_keys=["night"])
    assert not applies(["night"], selective=True, secondary_keys=["night"])
    assert applies(["a violin"], selective=False, secondary_keys=["night"]) and applies(["a violin"], selective=True, secondary_keys=[])


@pytest.mark.parametrize("depth, found", [(None, True), (0, False), (1, False), (2, True), (3, True), (99, True)])
def test_keys_are_looked_for_in_the_last_messages_only(depth: int | None, found: bool) -> None:
    assert (matching(book({}, scan_depth=depth), ["Good day.", "A violin!", "Indeed."]) == ["He plays."]) is found


def test_entries_come_by_position_then_insertion_order_then_place_in_the_file() -> None:
    told = [("e", 2, "after_char"), ("c", 1, None), ("b", 9, "before_char"), ("d", 1, "after_char"), ("a", 3.5, "before_char"), ("f", 2, "")]
    lore = book(*({"content": content, "insertion_order": order, "position": position, "constant": True} for content, order, position in told))
    assert matching(lore, []) == ["a", "b", "c", "d", "e", "f"]
    assert around(lore, []) == (["a", "b"], ["c", "d", "e", "f"])


@pytest.mark.parametrize(
    "budget, kept",
    [(None, "abcd"), (16, "abcd"), (15.9, "abc"), (12, "abc"), (11, "bc"), (8, "bc"), (4, "b"), (3.9, ""), (0, "")],
)
def test_the_lowest_priority_leaves_first_where_the_budget_is_too_small(budget: float | None, kept: str) -> None:
    """Three words are four tokens."""
    priorities = {"a": None, "b": 10, "c": 5, "d": -1}
    entries = [
        {"content": f"{name} {name} {name}", "priority": priority, "insertion_order": order, "constant": True}
        for order, (name, priority) in enumerate(priorities.items())
    ]
    assert "".join(text[0] for text in matching(book(*entries, token_budget=budget), [])) == kept


def test_among_equals_the_later_entry_leaves_first() -> None:
    entries = [{"content": name * 3, "insertion_order": order, "constant": True} for name, order in (("b", 2), ("a", 1), ("c", 3))]
    assert matching(book(*entries, token_budget=3), []) == ["aaa", "bbb"]


@pytest.mark.parametrize(
    "content, told",
    [
        ("@@depth 4\n@@@fallback 2\n\nHe plays.", ["He plays."]),
        ("\n@@constant\r\nHe plays.\n@@not_at_the_head", ["He plays.\n@@not_at_the_head"]),
        ("He plays at holmes@@baker.street", ["He plays at holmes@@baker.street"]),
        ("@@activate", []),
        ("@@a\n@@b\n  \n", []),
        (" \n ", []),
    ],
)
def test_decorators_are_taken_off_and_what_is_then_empty_is_left_out(content: str, told: list[str]) -> None:
    assert matching(book({"content": content, "constant": True}), []) == told


def test_a_long_head_of_decorators_takes_no_longer_than_its_length() -> None:
    started = time.perf_counter()
    assert matching(book({"content": "@@a 1\n \n" * 100_000 + "End.", "constant": True}), []) == ["End."]
    assert matching(book({"content": "\n" * 1_000_000 + "End.", "constant": True}), [])
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("key", ["(a+)+$", "a|b", "[xyz]", "fid+le", "/violin/i", "viol.n", r"\bviolin"])
def test_a_regular_expression_is_refused_by_the_name_of_its_entry(key: str) -> None:
    lore = book({}, {"keys": ["plain", key], "use_regex": True, "name": "the\nviolin"})
    expected = f"character_book: entry 2 'the\\nviolin': the key {key!r} is a regular expression; write plain words and use_regex: false"
    assert fault(lore) == expected
    with pytest.raises(UserError) as caught:
        matching(lore, ["violin"])
    assert str(caught.value) == expected


def test_what_would_be_a_regular_expression_is_a_plain_word_where_none_is_wanted() -> None:
    assert applies(["What (is) that?"], keys=["(is)"]) and applies(["(is)"], keys=["(is)"], use_regex=False)
    assert applies(["the violin"], use_regex=True), "front ends set it on plain words too"
    assert fault(book({"keys": ["a+"], "use_regex": True, "enabled": False})) is None
    assert applies([], keys=["a+"], use_regex=True, constant=True)


def test_a_secondary_key_that_is_a_regular_expression_is_refused_too() -> None:
    assert "'night$'" in (fault(book({"selective": True, "secondary_keys": ["night$"], "use_regex": True})) or "")


def test_a_book_without_entries_tells_nothing() -> None:
    assert matching({}, ["violin"]) == matching(book(), ["violin"]) == []


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(-2, 2), st.integers(1, 5), st.sampled_from(["before_char", "after_char"])), max_size=8),
    st.integers(0, 20),
)
def test_what_is_told_fits_the_budget_keeps_its_order_and_drops_no_higher_priority_for_a_lower(told: list[tuple], budget: int) -> None:
    entries = [
        {"content": " ".join([str(n)] * words), "insertion_order": order, "priority": priority, "position": position, "constant": True}
        for n, (order, priority, words, position) in enumerate(told)
    ]
    everything, some = matching(book(*entries), []), matching(book(*entries, token_budget=budget), [])
    assert sum(len(text.split()) for text in some) * 4 <= budget * 3
    assert some == [text for text in everything if text in some]
    priorities = {entry["content"]: entry["priority"] for entry in entries}
    dropped = [priorities[text] for text in everything if text not in some]
    assert max(dropped, default=-9) <= min((priorities[text] for text in some), default=9)
