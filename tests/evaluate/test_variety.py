"""Variety: distinct-n, self-BLEU and repetition by hand, against NLTK's published example, and by leaving out for real."""

from __future__ import annotations

import time

import numpy as np
import pytest

from stages.common.chats import normal_words
from stages.common.distinct import distinct
from stages.evaluate.variety import figures, leaving_out_distinct, leaving_out_self_bleu, self_bleu
from tests.evaluate.golden import CHATS

# The example of NLTK's documentation (nltk.translate.bleu_score.sentence_bleu).
MILITARY = "It is a guide to action which ensures that the military always obeys the commands of the party".split()
REFERENCES = [
    "It is a guide to action that ensures that the military will forever heed Party commands".split(),
    "It is the guiding principle which guarantees the military forces always being under the command of the Party".split(),
    "It is the practical guide for the army always to heed the directions of the party".split(),
]
REPLIES = [[normal_words(reply) for reply in chat] for chat in CHATS["john-silver"][:30]]


def test_self_bleu_of_a_sentence_beside_its_references_is_nltks_bleu() -> None:
    assert self_bleu([[MILITARY], *([one] for one in REFERENCES)])[0] == [pytest.approx(0.5045666840058485, abs=1e-12)]
    assert self_bleu([[MILITARY], [REFERENCES[0]]])[0] == [pytest.approx(0.4118, abs=5e-5)]


def test_what_is_said_twice_has_one_and_what_has_no_word_in_common_has_zero() -> None:
    assert self_bleu([["a b c d e".split()], ["a b c d e".split()], ["x y z".split()]]) == [[pytest.approx(1.0)], [pytest.approx(1.0)], [0.0]]


def test_an_n_gram_size_without_a_match_counts_a_tenth_of_one() -> None:
    # "a b x y" beside "a b p q": 2 of 4 words, 1 of 3 pairs, 0.1 of 2 triples, 0.1 of 1.
    assert self_bleu([["a b x y".split()], ["a b p q".split()]])[0] == [pytest.approx((2 / 4 * 1 / 3 * 0.1 / 2 * 0.1) ** 0.25)]


def test_a_short_reply_pays_for_its_brevity_by_the_closest_length() -> None:
    # "a b c d" is whole in the others, of 6 and 12 words: exp(1 - 6/4).
    found = self_bleu([["a b c d".split()], ["a b c d e f".split()], ["a b c d e f g h i j k l".split()]])
    assert found[0] == [pytest.approx(np.exp(1 - 6 / 4))]


def test_replies_of_one_prompt_are_references_of_each_other_too() -> None:
    assert self_bleu([["a b c d".split(), "a b c d".split()]]) == [[pytest.approx(1.0), pytest.approx(1.0)]]


def test_leaving_a_prompt_out_of_self_bleu_is_what_scoring_the_others_alone_gives() -> None:
    # As many words in every reply: with the lengths the brevity penalties stay as they are.
    prompts = [[reply[:15] for reply in chat] for chat in REPLIES]
    whole, without = leaving_out_self_bleu(prompts)
    assert whole == pytest.approx(np.mean([score for scores in self_bleu(prompts) for score in scores]))
    alone = [np.mean([score for scores in self_bleu(prompts[:i] + prompts[i + 1 :]) for score in scores]) for i in range(len(prompts))]
    assert without == pytest.approx(np.array(alone), abs=1e-12)
    assert max(alone) - min(alone) > 1e-4


@pytest.mark.parametrize("size", [1, 2, 3])
def test_leaving_a_prompt_out_of_distinct_n_is_what_counting_the_others_alone_gives(size: int) -> None:
    whole, without = leaving_out_distinct(REPLIES, size)
    assert whole == distinct([reply for chat in REPLIES for reply in chat], size)
    alone = [distinct([reply for chat in REPLIES[:i] + REPLIES[i + 1 :] for reply in chat], size) for i in range(len(REPLIES))]
    assert without == pytest.approx(np.array(alone), abs=1e-12)


def test_an_arm_that_tells_everybody_the_same_is_less_varied_and_for_sure() -> None:
    lines = [[reply] for chat in CHATS["john-silver"] for reply in chat][:40]
    found = figures({"base": lines, "prompted": lines, "tuned": lines[:4] * 10}, 0.95)
    assert set(found) == {
        f"{arm}.{metric}"
        for arm in ("base", "prompted", "tuned", "tuned_vs_prompted")
        for metric in ("distinct_1", "distinct_2", "distinct_3", "self_bleu", "repetition_rate")
    }
    assert found["tuned_vs_prompted.distinct_2"].upper < 0 < found["tuned_vs_prompted.self_bleu"].lower
    # Cut to what the other arms say: not whole copies, but beginnings of one.
    assert found["tuned.self_bleu"].value > 0.8 and found["prompted.self_bleu"].value < 0.1


def test_an_arm_that_talks_longer_in_the_same_way_is_as_varied() -> None:
    lines = [reply for chat in CHATS["john-silver"] for reply in chat]
    said = {"prompted": [[reply] for reply in lines[:30]], "tuned": [[f"{reply} {more}"] for reply, more in zip(lines[:30], lines[30:60], strict=True)]}
    found = figures(said, 0.95)
    assert [found[f"tuned_vs_prompted.distinct_{size}"].value for size in (1, 2, 3)] == [0, 0, 0] and found["tuned_vs_prompted.self_bleu"].value == 0


def test_a_reply_that_goes_round_in_circles_counts_also_where_the_circle_comes_late() -> None:
    fine = "The tide was out and we walked to the ship without wetting our boots."
    loop = f"{fine} Aye, I say that to you now, aye, I say that to you now."
    found = figures({"prompted": [[fine], [fine], [fine]], "tuned": [[fine], [loop], [fine]]}, 0.95)
    assert (found["prompted.repetition_rate"].value, found["tuned.repetition_rate"].value) == (0, pytest.approx(1 / 3))
    assert found["prompted.repetition_rate"].upper > 0.5  # three replies show little


def test_of_one_prompt_or_none_or_silence_nothing_is_said() -> None:
    assert figures({"prompted": [], "tuned": []}, 0.95) == {}
    assert {name.split(".")[1] for name in figures({"prompted": [["One word."]], "tuned": [["A word."]]}, 0.95)} == {"repetition_rate"}
    silent = figures({"prompted": [[""]] * 5, "tuned": [[""]] * 5}, 0.95)
    assert not any("distinct" in name for name in silent) and silent["tuned.self_bleu"].value == 0


def test_three_hundred_replies_of_three_arms_take_seconds_of_a_core() -> None:
    lines = [[reply] for chats in CHATS.values() for chat in chats for reply in chat]
    started = time.process_time()
    figures({arm: lines[first : first + 300] for arm, first in (("base", 0), ("prompted", 300), ("tuned", 600))}, 0.95)
    assert time.process_time() - started < 8
