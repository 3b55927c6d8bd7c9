"""Voice: Delta against hand-made scores, and on the gold, where it is known who speaks."""

from __future__ import annotations

import time
from itertools import product

import numpy as np
import pytest

from stages.common.whole_words import words_of
from stages.evaluate import voice
from stages.evaluate.voice import cosine_delta, figures, scale
from tests.evaluate.golden import CHARACTERS, CHATS, parted

ARMS = ("base", "prompted", "tuned")
HOLMES, SILVER, BENNET = "sherlock-holmes", "john-silver", "elizabeth-bennet"


def one_each(replies: list[str]) -> list[list[str]]:
    """Replies as what was said to a prompt each."""
    return [[reply] for reply in replies]


def plainly(count: int) -> list[list[str]]:
    """What the base says to so many prompts: as long as the longest lines, and in nobody's voice."""
    said = "I would be happy to help you with this important question. Here are some things that you can consider, and these are the best options: " * 5
    words = said.split()
    return [[" ".join(words[place % 20 :])] for place in range(count)]


def measured(said: dict, gold: dict, whom: str = HOLMES, resamples: int = 499, seed: int = 0) -> dict:
    count = len(next(iter(said.values())))
    return figures({"base": plainly(count), **said}, [whom] * count, gold, {}, np.random.default_rng(seed), resamples, 0.95)


def test_cosine_delta_is_zero_for_one_direction_one_across_and_two_for_the_opposite() -> None:
    one = np.array([3.0, 4.0])
    found = cosine_delta(np.array([[6.0, 8.0], [4.0, -3.0], [-3.0, -4.0], [0.0, 5.0], [0.0, 0.0]]), one)
    assert found == pytest.approx([0.0, 1.0, 2.0, 0.2, 1.0])


def test_a_scale_has_the_most_frequent_words_with_mean_and_deviation_by_hand(monkeypatch) -> None:
    monkeypatch.setattr(voice, "PIECE", 4)
    # Two sources; the second has two pieces. Shares of "a": 1/2 | 1/4, 3/4. Of "b": 1/2 | 3/4, 1/4. Of "c": none.
    found = scale([[["a", "a", "b", "b"]], [["a", "b", "b", "b"], ["a", "a"], ["a", "b"]]])
    assert dict(found.words) == {"a": 0, "b": 1}
    assert found.mean == pytest.approx([0.5, 0.5])
    # Mean squared deviation: (0 + (1/16 + 1/16) / 2) / 2 = 1/32.
    assert found.deviation == pytest.approx([32**-0.5] * 2)
    assert found.z(found.counts([["a", "a", "a", "x"]])) == pytest.approx(np.array([[0.25 * 32**0.5, -0.5 * 32**0.5]]))


def test_a_long_source_weighs_no_more_than_a_short_one_and_equal_words_are_left_out() -> None:
    found = scale([[["a", "c"]] * 900, [["b", "c"]]])
    assert dict(found.words) == {"a": 0, "b": 1}  # c is half of every piece
    assert found.mean == pytest.approx([0.25, 0.25])
    # By counts the long source's words would come first.
    assert set(scale([[["a", "a", "a", "c", "c"]] * 900, [["b", "b", "b", "b", "c"]]], size=2).words) == {"a", "b"}


def test_only_so_many_words_are_taken_the_most_frequent_first() -> None:
    found = scale([[["a", "a", "a", "b", "b", "c"]], [["a", "b", "d", "d", "d", "d"]]], size=2)
    assert set(found.words) == {"a", "d"}


@pytest.mark.parametrize("whom", CHARACTERS)
def test_halves_of_one_characters_gold_are_nearer_to_each_other_than_to_anothers(whom: str) -> None:
    texts = {name: [[word for reply in chat for word in words_of(reply)] for chat in chats] for name, chats in CHATS.items()}
    ruler = scale(list(texts.values()))
    generator = np.random.default_rng(1)
    for _ in range(20):
        halves = {}
        for name, chats in texts.items():
            order = generator.permutation(len(chats))[: len(texts[SILVER])]  # as many chats of each
            counts = ruler.counts(chats)
            halves[name] = [ruler.z(counts[part].sum(axis=0)) for part in np.array_split(order, 2)]
        own = cosine_delta(*halves[whom])
        others = [cosine_delta(halves[whom][0], half) for name in CHARACTERS if name != whom for half in halves[name]]
        assert own < 0.7 and min(others) > 0.9


def test_the_p_value_is_uniform_where_both_arms_are_halves_of_one() -> None:
    generator = np.random.default_rng(7)
    found = []
    for draw in range(100):
        gold, rest = parted(generator, 15)
        lines = rest[SILVER][:40]
        found.append(measured({"prompted": one_each(lines[:20]), "tuned": one_each(lines[20:])}, gold, resamples=199, seed=draw)["tuned_vs_prompted.voice_p"])
    # Kolmogorov-Smirnov: by chance 1 in 100 such samples of 100 is further than 1.63 / sqrt(100) from the straight line.
    steps = (np.arange(100) + 1) / 100
    assert np.abs(np.sort(found) - steps).max() < 0.163


def test_the_p_value_is_small_when_tuned_speaks_the_gold_itself_and_large_when_prompted_does() -> None:
    gold, rest = parted(np.random.default_rng(2), 30)
    gold_like, other = one_each(rest[HOLMES][:24]), one_each(rest[BENNET][:24])
    near = measured({"prompted": other, "tuned": gold_like}, gold)
    far = measured({"prompted": gold_like, "tuned": other}, gold)
    assert near["tuned_vs_prompted.voice_p"] <= 0.01 and far["tuned_vs_prompted.voice_p"] > 0.99
    difference = near["tuned_vs_prompted.voice_delta"]
    assert difference.upper < 0 and difference.value == pytest.approx(near["tuned.voice_delta"].value - near["prompted.voice_delta"].value)
    assert far["tuned_vs_prompted.voice_delta"].value == pytest.approx(-difference.value)


def test_the_p_value_of_five_prompts_is_that_of_all_their_32_permutations() -> None:
    gold, rest = parted(np.random.default_rng(3), 30)
    pairs = list(zip(rest[SILVER][:5], rest[HOLMES][:5], strict=True))
    found = measured({"prompted": one_each([one for one, _ in pairs]), "tuned": one_each([other for _, other in pairs])}, gold, resamples=8000)
    differences = []
    for swapped in product((False, True), repeat=5):
        turned = [pair[::-1] if swap else pair for pair, swap in zip(pairs, swapped, strict=True)]
        said = {"prompted": one_each([one for one, _ in turned]), "tuned": one_each([other for _, other in turned])}
        differences.append(measured(said, gold, resamples=2)["tuned_vs_prompted.voice_delta"].value)
    as_low = sum(difference <= differences[0] + 1e-12 for difference in differences)
    assert 1 < as_low < 16
    assert found["tuned_vs_prompted.voice_p"] == pytest.approx(as_low / 32, abs=0.015)


def test_arms_are_compared_over_as_many_words_whoever_talks_longer() -> None:
    """The one arm says more of the same: its Delta would be lower by that alone, and must not be."""
    gold, rest = parted(np.random.default_rng(4), 30)
    lines = rest[HOLMES][:40]
    said = {"prompted": one_each(lines[:20]), "tuned": [[f"{line} {more}"] for line, more in zip(lines[:20], lines[20:], strict=True)]}
    found = measured(said, gold)
    assert found["tuned.voice_delta"] == found["prompted.voice_delta"]
    assert found["voice.words"] == sum(len(words_of(line)) for line in lines[:20]) and found["voice.prompts"] == 20


def test_the_same_answers_have_the_same_delta_whichever_arm_gives_them() -> None:
    gold, rest = parted(np.random.default_rng(5), 30)
    one, other = one_each(rest[HOLMES][:20]), one_each(rest[SILVER][:20])
    left, right = measured({"prompted": one, "tuned": other}, gold), measured({"prompted": other, "tuned": one}, gold)
    assert left["prompted.voice_delta"].value == right["tuned.voice_delta"].value


def test_three_arms_and_three_characters_are_averaged_by_prompts_and_the_yardstick_is_beside_them() -> None:
    gold, rest = parted(np.random.default_rng(6), 30)
    whom = [HOLMES] * 12 + [SILVER] * 24
    own = rest[HOLMES][:12] + rest[SILVER][:24]
    wrong = rest[BENNET][:36]
    said = {"base": plainly(36), "prompted": one_each(wrong), "tuned": one_each(own)}
    lines = {name: one_each(replies[40:]) for name, replies in rest.items()}
    found = figures(said, whom, gold, lines, np.random.default_rng(0), 499, 0.95)
    assert [name for name in found if name.endswith("voice_delta")] == [
        *("base.voice_delta", "prompted.voice_delta", "tuned.voice_delta", "gold.voice_delta", "others.voice_delta", "tuned_vs_prompted.voice_delta")
    ]
    yardstick, others = found["gold.voice_delta"], found["others.voice_delta"]
    assert yardstick.lower < found["tuned.voice_delta"].value < yardstick.upper < others.lower < found["prompted.voice_delta"].value < others.upper
    assert found["base.voice_delta"].value > yardstick.upper
    assert found["voice.prompts"] == 36


def test_a_character_with_too_few_words_is_left_out_and_with_none_left_there_is_no_figure() -> None:
    gold, rest = parted(np.random.default_rng(8), 30)
    whom = [HOLMES] * 20 + [SILVER]
    said = {arm: one_each(rest[HOLMES][first : first + 20] + ["Aye."]) for arm, first in zip(ARMS, (0, 20, 40), strict=True)}
    assert figures(said, whom, gold, {}, np.random.default_rng(0), 99, 0.95)["voice.prompts"] == 20
    assert figures({arm: [["Aye."]] for arm in ARMS}, [SILVER], gold, {}, np.random.default_rng(0), 99, 0.95) == {}
    assert figures({arm: [] for arm in ARMS}, [], gold, {}, np.random.default_rng(0), 99, 0.95) == {}
    assert figures(said, whom, {SILVER: gold[SILVER]}, {}, np.random.default_rng(0), 99, 0.95) == {}  # no line of Holmes's to measure from


def test_the_same_seed_gives_the_same_figures_and_another_one_other_intervals() -> None:
    gold, rest = parted(np.random.default_rng(9), 30)
    said = {"prompted": one_each(rest[SILVER][:20]), "tuned": one_each(rest[HOLMES][:20])}
    assert measured(said, gold, seed=1) == measured(said, gold, seed=1)
    assert measured(said, gold, seed=1)["tuned.voice_delta"].lower != measured(said, gold, seed=2)["tuned.voice_delta"].lower


def test_a_hundred_prompts_with_ten_thousand_permutations_and_resamples_take_seconds_of_a_core() -> None:
    gold, rest = parted(np.random.default_rng(10), 30)
    said = {arm: one_each((rest[name] * 2)[:100]) for arm, name in (("prompted", SILVER), ("tuned", HOLMES))}
    started = time.process_time()
    measured(said, gold, resamples=10_000)
    assert time.process_time() - started < 15
