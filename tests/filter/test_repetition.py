"""What stands again in a reply or between turns is found, whatever the shortcuts, and the gold has none."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.common.chats import normal
from stages.common.files import read_jsonl
from stages.common.repeated_runs import repeated_share
from stages.filter.repetition import LOOP, across_turns, asked_again, in_reply, loop_share, overlap, repeated_lines
from stages.filter.talk import Drop
from tests.chats import make_chat, prose
from tests.filter.rules import drop, limits, talk
from tests.project import ROOT


def test_sentences_that_stood_before_drop_the_chat_with_their_share_of_the_words() -> None:
    reply = f"I do not know. Perhaps {prose(1, 2)}. I do not know! Perhaps {prose(2, 2)}. I do not know."
    assert drop("Question?", reply) == Drop("repetition.lines", round(8 / 18, 3), 0.2)
    assert drop("Question?", reply, max_repeated_lines=0.5, max_repeated_in_reply=1.0).rule == "repetition.loop"


def test_one_short_sentence_said_twice_is_enough_in_a_short_reply() -> None:
    assert drop("Question?", f"Not so. {prose(1, 5)}. Not so.") == Drop("repetition.lines", round(2 / 9, 3), 0.2)


def test_lines_count_as_sentences_do_and_one_word_said_twice_does_not() -> None:
    assert repeated_lines("here I am\nthere too\nHere I am", 8) == 3 / 8
    assert repeated_lines("Never. No, never. Never.", 4) == 0.0
    assert repeated_lines("", 0) == 0.0


@pytest.mark.parametrize(
    "text, share",
    [
        ("aye lad " * 3 + prose(1, 6), 0.5),
        ("aye lad " * 2 + prose(1, 6), 0.0),
        ("go " * 10, 1.0),
        ("", 0.0),
        ("one", 0.0),
        ("one two", 0.0),
        (f"tap on a {prose(1, 2)} tap on a {prose(2, 2)} tap on a {prose(3, 3)}", 9 / 16),
    ],
)
def test_a_phrase_in_a_loop_counts_from_its_third_time_on(text: str, share: float) -> None:
    assert loop_share(normal(text).split()) == pytest.approx(share)


def test_a_loop_drops_the_chat_with_its_share() -> None:
    assert drop("Question?", f"Aye lad {prose(1, 3)} aye lad {prose(2, 3)} aye lad {prose(3, 3)}") == Drop("repetition.loop", 0.4, LOOP)


def test_a_visitor_who_asks_the_same_again_drops_the_chat_unless_it_is_short() -> None:
    asked = "Where were you on the night of the fire, sir?"
    assert drop(asked, prose(1), asked, prose(2)) == Drop("repetition.asked", 1.0, 0.8)
    assert drop("Why?", prose(1), "Why?", prose(2), "And what then, sir?", prose(3), "And what then, sir?", prose(4)) is None
    assert drop(asked, prose(1), "Where were you on the morning of the fire?", prose(2)) is None


words = st.lists(st.sampled_from("a b c d e".split()), max_size=24)


@given(words, st.sampled_from([0.0, 0.15, 0.5]), st.sampled_from([0.0, 0.2, 0.5]))
def test_the_shortcuts_of_a_reply_pass_nothing_that_the_measures_would_drop(said: list[str], share: float, lines: float) -> None:
    text = " ".join(f"{word}." if word == "e" else word for word in said)
    full = repeated_lines(text, len(said)) > lines or repeated_share(said) > share or loop_share(said) > LOOP
    hit = in_reply(talk(make_chat("Question?", text)), limits(max_repeated_in_reply=share, max_repeated_lines=lines))
    assert (hit is not None) == full


@given(st.lists(st.tuples(words, words), min_size=1, max_size=4), st.sampled_from([0.2, 0.5, 0.8]))
def test_the_shortcuts_between_turns_pass_nothing_that_a_comparison_of_all_pairs_would_drop(pairs: list, limit: float) -> None:
    turns = [turn for pair in pairs for turn in pair]
    chat = talk(make_chat(*map(" ".join, turns)))
    replies = [overlap(turns[n], turns[k]) for n in range(1, len(turns), 2) for k in range(n)]
    assert (across_turns(chat, limits(max_repeated_across_turns=limit)) is not None) == (max(replies) > limit)
    long = [asked for asked, _ in pairs if len(asked) > 4]
    asked = [overlap(long[n], long[k]) for n in range(len(long)) for k in range(n)]
    assert (asked_again(chat, limits(max_repeated_asked=limit)) is not None) == (max(asked, default=0.0) > limit)


def test_no_gold_chat_falls_and_the_largest_shares_are_those_the_module_names() -> None:
    talks = [talk(chat_of(chat)) for path in sorted((ROOT / "data/gold").glob("*.jsonl")) for chat in read_jsonl(path)]
    assert [rule.__name__ for rule in (in_reply, across_turns, asked_again) for one in talks if rule(one, limits())] == []
    replies = [said for one in talks for said in one.reply_words]
    assert (len(replies), min(map(len, replies)), max(map(len, replies))) == (1090, 15, 96)
    assert round(max(map(repeated_share, replies)), 3) == 0.137
    assert round(max(map(loop_share, replies)), 3) == 0.176
    assert max(repeated_lines(reply, 1) for one in talks for reply in one.replies) == 0.0


def chat_of(gold: dict) -> dict:
    return make_chat(*(turn["value"] for turn in gold["conversations"]))


@pytest.mark.parametrize("part", ["a ", "a. ", ".", "\n", "a b. "])
def test_a_reply_of_a_megabyte_takes_linear_time(part: str) -> None:
    one = talk(make_chat("Question?", part * (1_000_000 // len(part))))
    start = time.process_time()
    in_reply(one, limits(max_repeated_in_reply=1.0, max_repeated_lines=1.0))
    assert time.process_time() - start < 20


@pytest.mark.parametrize("asked, count", [("...", 0), ("— ?!", 0), ("👍👍", 0), ("___", 0), ("Why?", 1), ("7", 1), ("你好", 1), ("почему?", 1)])
def test_a_turn_of_the_visitors_without_a_word_is_empty_in_any_script(asked: str, count: int) -> None:
    assert drop("Question?", prose(1), asked, prose(2)) == (None if count else Drop("length.empty", 0, 1))


def test_the_least_words_of_the_visitor_are_the_parameters() -> None:
    assert drop("Why — not?", prose(1), min_asked_words=3) == Drop("length.empty", 2, 3)
    assert drop("Why ever not?", prose(1), min_asked_words=3) is None
    assert drop("...", prose(1), min_asked_words=0) is None
