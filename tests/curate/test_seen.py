"""Which chats were seen before, and that a million names do not fill the memory."""

from __future__ import annotations

from stages.curate.seen import seen


def test_the_first_place_of_a_name_is_told_from_the_second_time_on():
    with seen() as places:
        assert places.before("a", "one:1") is None
        assert places.before("b", "one:2") is None
        assert places.before("a", "two:1") == "one:1"
        assert places.before("a", "two:2") == "one:1"


def test_a_new_one_knows_nothing_of_an_earlier_one():
    with seen() as places:
        places.before("a", "one:1")
    with seen() as places:
        assert places.before("a", "two:1") is None


def test_many_names_are_all_known_again():
    with seen() as places:
        assert all(places.before(f"chat-{number}", f"file:{number}") is None for number in range(20_000))
        assert all(places.before(f"chat-{number}", "again") == f"file:{number}" for number in range(0, 20_000, 97))
