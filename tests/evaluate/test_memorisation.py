"""Memorisation: planted copies of just enough and one word too few, quoted with both chats."""

from __future__ import annotations

import time

import pytest

from stages.evaluate.memorisation import Copy, copies, figures
from tests.evaluate.golden import CHATS

LINE = "the moor was dark and the road was long when the dog began to howl again"  # 16 words
THIRTEEN, TWELVE = " ".join(LINE.split()[:13]), " ".join(LINE.split()[:12])
TRAINING = [("chat-1", ["Nothing of the kind.", f"I tell you {LINE}."]), ("chat-2", ["Quite another thing, my dear sir, in every way."])]


def test_a_run_of_thirteen_words_is_a_copy_and_one_of_twelve_is_none() -> None:
    found = copies({"tuned": [[f"Well, {THIRTEEN} no more."], [f"Well, {TWELVE} no more."]]}, TRAINING)
    assert found == [Copy("tuned", 0, 0, THIRTEEN, 13, "chat-1", 1)]


def test_case_punctuation_and_lines_do_not_hide_a_copy() -> None:
    hidden = "THE MOOR -- was _dark_,\nand the Road was long;  when the ‘dog’ began..."
    assert [copy.length for copy in copies({"tuned": [[hidden]]}, TRAINING)] == [13]


def test_a_run_does_not_go_on_from_one_reply_to_the_next() -> None:
    half, rest = " ".join(LINE.split()[:8]), " ".join(LINE.split()[8:])
    assert copies({"tuned": [[half, rest]]}, TRAINING) == []
    assert copies({"tuned": [[LINE]]}, [("chat-1", [half, rest])]) == []


def test_the_longest_run_is_quoted_with_its_own_chat() -> None:
    long = f"{LINE} in the cold and empty night"
    found = copies({"tuned": [[f"{THIRTEEN} and then, {long}!"]]}, [*TRAINING, ("chat-3", [f"So {long}."])])
    assert [(copy.words, copy.length, copy.chat, copy.chats) for copy in found] == [(long, 22, "chat-3", 1)]


def test_two_runs_of_an_answer_that_overlap_in_training_are_not_put_together() -> None:
    """Every 13 words of the training reply's 15 stand in the answer, but no 14: the answer begins thrice, each time a word later."""
    words = [f"w{n}" for n in range(15)]
    answer = " ".join([*words[:13], "then", *words[1:14], "then", *words[2:]])
    assert [copy.length for copy in copies({"tuned": [[answer]]}, [("chat-1", [" ".join(words)])])] == [13]


def test_a_stock_saying_counts_and_tells_in_how_many_chats_it_stands() -> None:
    stock = [(f"chat-{n}", [f"Number {n}: {LINE}. {n} it is."]) for n in range(7)]
    assert copies({"tuned": [[LINE]]}, stock) == [Copy("tuned", 0, 0, LINE, 16, "chat-0", 7)]
    twice = [("chat-1", [LINE, f"Again, {LINE} and so on."])]
    assert copies({"tuned": [[LINE]]}, twice)[0].chats == 1


def test_every_turn_of_every_arm_is_looked_at_and_the_rates_are_over_replies() -> None:
    said = {"prompted": [["Nothing.", "Nothing."], ["Nothing."]], "tuned": [["Nothing.", LINE], [THIRTEEN]]}
    found = copies(said, TRAINING)
    assert [(copy.arm, copy.prompt, copy.turn) for copy in found] == [("tuned", 0, 1), ("tuned", 1, 0)]
    rates = figures(said, found, 0.95)
    assert rates["tuned.copied_rate"].value == pytest.approx(2 / 3) and rates["tuned_vs_prompted.copied_rate"].value == pytest.approx(2 / 3)
    # Wilson for 0 of 3: z^2 / (3 + z^2).
    assert rates["prompted.copied_rate"].value == 0 and rates["prompted.copied_rate"].upper == pytest.approx(3.841459 / 6.841459, abs=1e-5)
    assert (rates["tuned.copied_words"], rates["prompted.copied_words"]) == (16, 0)


def test_without_a_reply_there_is_no_rate() -> None:
    assert figures({"prompted": [], "tuned": []}, copies({"prompted": [], "tuned": []}, TRAINING), 0.95) == {}


def test_no_character_of_the_gold_copies_another_and_all_of_them_copy_themselves() -> None:
    holmes, silver = CHATS["sherlock-holmes"], CHATS["john-silver"]
    said = {"base": silver, "tuned": holmes}
    found = copies(said, [(f"chat-{place}", chat) for place, chat in enumerate(holmes)])
    assert {copy.arm for copy in found} == {"tuned"} and all(copy.chat == f"chat-{copy.prompt}" for copy in found)
    assert len(found) == sum(len(reply.split()) > 14 for chat in holmes for reply in chat)


def test_time_grows_with_the_words_even_where_all_chats_and_answers_share_a_saying() -> None:
    training = [(f"chat-{n}", [f"word{n} {LINE} end{n} " + " ".join(f"w{n}x{k}" for k in range(60))]) for n in range(20_000)]
    started = time.process_time()
    found = copies({"tuned": [[f"Answer {n}: {LINE}."] for n in range(300)]}, training)
    assert time.process_time() - started < 8
    assert len(found) == 300 and {copy.chats for copy in found} == {20_000}
