"""The intervals against published figures, the scores against cases that can be worked out by hand."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest

from stages.common.errors import UserError
from stages.common.in_character import in_character
from stages.evaluate import inputs, scores, series
from stages.evaluate.intervals import BLOCK_CELLS, Estimate, paired_difference, resampled_totals, upper_bound, wilson
from stages.evaluate.marks import marks
from stages.evaluate.verdicts import FEW, verdict
from tests.evaluate.sample import ARMS, answer, chat, loss

NAMES = {"sherlock-holmes": "Sherlock Holmes", "john-silver": "Long John Silver"}
SETTINGS = scores.Bootstrap(seed=5, bootstrap=2000, confidence=0.95)


@pytest.mark.parametrize(
    ("count", "total", "lower", "upper"),
    [
        # Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        # By hand: z = 1.959964; with no success the upper end is z^2 / (n + z^2) = 3.8415 / 63.8415.
        (0, 60, 0.0, 0.0602),
        # By hand: (0.1 + 0.19207 -+ 1.959964 * sqrt(0.009 + 0.0096036)) / 1.38415.
        (1, 10, 0.0179, 0.4042),
        (10, 10, 0.7225, 1.0),
    ],
)
def test_wilsons_interval_is_the_published_one(count: int, total: int, lower: float, upper: float) -> None:
    estimate = wilson(count, total, 0.95)
    assert estimate.value == count / total
    assert (estimate.lower, estimate.upper) == (pytest.approx(lower, abs=6e-5), pytest.approx(upper, abs=6e-5))


def test_a_lower_confidence_gives_a_shorter_interval() -> None:
    assert wilson(3, 10, 0.8).upper < wilson(3, 10, 0.95).upper


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="rate of nothing"):
        wilson(0, 0, 0.95)


@pytest.mark.parametrize(
    ("count", "total", "confidence", "bound"),
    [
        # With none in n: 1 - 0.05^(1/n). 0 in 60 allows 4.9 %, 0 in 100 allows 3.0 %.
        (0, 60, 0.95, 1 - 0.05 ** (1 / 60)),
        (0, 100, 0.95, 0.0295),
        (0, 1, 0.95, 0.95),
        # By hand: (1 - p)^2 + 2 p (1 - p) = 1 - p^2 = 0.05.
        (1, 2, 0.95, 0.95**0.5),
        (5, 5, 0.95, 1.0),
        # The upper ends of exact two-sided 95 % intervals are one-sided 97.5 % bounds: Newcombe 1998, table I, method 5.
        (81, 263, 0.975, 0.3676),
        (15, 148, 0.975, 0.1617),
        (0, 20, 0.975, 0.1684),
        (1, 29, 0.975, 0.1776),
    ],
)
def test_the_one_sided_bound_is_the_exact_one(count: int, total: int, confidence: float, bound: float) -> None:
    assert upper_bound(count, total, confidence) == pytest.approx(bound, abs=6e-5)


def test_a_bound_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="rate of nothing"):
        upper_bound(0, 0, 0.95)


def pairs(both: int, first: int, second: int, neither: int) -> tuple[list[bool], list[bool]]:
    return [True] * (both + first) + [False] * (second + neither), [True] * both + [False] * first + [True] * second + [False] * neither


def test_the_difference_of_paired_rates_is_the_published_one() -> None:
    # Airway hyper-responsiveness before and after transplantation: 1, 1, 7 and 12 of 21 children (Bentur et al. 2009). Newcombe's
    # interval is -0.507 to -0.026 for before minus after: Fagerland, Lydersen and Laake 2014, Statistics in Medicine 33:2850-2875.
    before, after = pairs(1, 1, 7, 12)
    difference = paired_difference(after, before, 0.95)
    assert difference.value == pytest.approx(-6 / 21)
    assert (difference.lower, difference.upper) == (pytest.approx(-0.507, abs=5e-4), pytest.approx(-0.026, abs=5e-4))


def test_the_difference_of_paired_rates_turns_its_sign_with_the_arms() -> None:
    first, second = pairs(59, 6, 16, 80)
    there, back = paired_difference(first, second, 0.95), paired_difference(second, first, 0.95)
    assert (there.lower, there.upper) == (pytest.approx(-back.upper), pytest.approx(-back.lower))


def test_two_arms_that_never_break_still_have_an_interval_with_width() -> None:
    difference = paired_difference([False] * 24, [False] * 24, 0.95)
    assert difference.value == 0.0
    assert difference.upper == -difference.lower == pytest.approx(wilson(0, 24, 0.95).upper)


def test_a_resample_draws_whole_rows_so_that_equal_columns_have_equal_totals_to_the_last_bit() -> None:
    column = np.random.default_rng(1).normal(40, 9, 37)
    totals = resampled_totals(np.column_stack([column, column, 2 * column]), 500, np.random.default_rng(2))
    assert totals.shape == (500, 3)
    assert (totals[:, 0] == totals[:, 1]).all()
    assert np.allclose(totals[:, 2], 2 * totals[:, 0])
    assert totals[:, 0].std() == pytest.approx(column.std() * 37**0.5, rel=0.1)


def test_many_chats_are_resampled_in_blocks_and_every_resample_is_filled() -> None:
    rows = np.ones((BLOCK_CELLS // 3, 1))
    assert (resampled_totals(rows, 7, np.random.default_rng(0)) == len(rows)).all()


def some_losses(prompted: list[float], tuned: list[float], tokens: list[int]) -> inputs.Losses:
    records = [loss(arm, "test", f"c{i:02}", nll, n) for arm in ("base", "prompted") for i, (nll, n) in enumerate(zip(prompted, tokens, strict=True))]
    records += [loss("tuned", "test", f"c{i:02}", nll, n) for i, (nll, n) in enumerate(zip(tuned, tokens, strict=True))]
    return inputs.losses(records, "test")


def test_perplexity_is_exp_of_all_nats_over_all_tokens_and_not_a_mean_over_chats() -> None:
    arms, _ = scores.perplexity(some_losses([10.0, 90.0], [10.0, 30.0], [10, 30]), SETTINGS, "test")
    assert arms["prompted"].value == pytest.approx(exp(100 / 40))
    assert arms["tuned"].value == pytest.approx(exp(40 / 40))


def test_a_constant_gain_on_every_chat_has_a_ratio_without_width_though_the_arms_vary() -> None:
    # Chats differ much, the gain never: ln 2 nats a token. Only a bootstrap that draws the same chats for both arms sees that.
    tokens = [10, 20, 30, 40, 50, 60]
    prompted = [n * level for n, level in zip(tokens, (2, 5, 3, 6, 2, 4), strict=True)]
    arms, ratios = scores.perplexity(some_losses(prompted, [nll - n * log(2) for nll, n in zip(prompted, tokens, strict=True)], tokens), SETTINGS, "test")
    for ratio in (ratios["base"], ratios["prompted"]):
        assert (ratio.value, ratio.lower, ratio.upper) == (pytest.approx(0.5), pytest.approx(0.5), pytest.approx(0.5))
    assert arms["prompted"].upper / arms["prompted"].lower > 1.5


def test_identical_arms_give_a_ratio_of_exactly_one() -> None:
    nll = [float(x) for x in np.random.default_rng(3).uniform(20, 90, 32)]
    _, ratios = scores.perplexity(some_losses(nll, nll, [25] * 32), SETTINGS, "test")
    assert ratios == dict.fromkeys(("base", "prompted"), Estimate(1.0, 1.0, 1.0))


def test_the_bootstrap_of_a_mean_agrees_with_theory() -> None:
    # 200 one-token chats of loss 0 or 2: the mean loss has the standard error 1 / sqrt(200), and its logarithm's interval is +-1.96 of it.
    arms, _ = scores.perplexity(some_losses([0.0, 2.0] * 100, [1.0] * 200, [1] * 200), scores.Bootstrap(5, 10000, 0.95), "test")
    assert log(arms["prompted"].upper) == pytest.approx(1 + 1.96 / 200**0.5, abs=0.012)
    assert log(arms["prompted"].lower) == pytest.approx(1 - 1.96 / 200**0.5, abs=0.012)
    assert arms["tuned"].lower == arms["tuned"].upper == pytest.approx(exp(1))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r[:-1], "tuned lacks 1 test chats that base has, the first is b"),
        (lambda r: [*r, loss("tuned", "test", "c", 1.0, 1)], "base lacks 1 test chats that tuned has, the first is c"),
        (lambda r: [*r[:-1], loss("tuned", "test", "b", 1.0, 9)], "test chat b has 5 tokens under base, 5 tokens under prompted, 9 tokens under tuned"),
        (lambda r: [*r, r[-1]], "tuned has test chat b twice"),
        (lambda r: [], "lacks|no test chat"),
        (
            lambda r: [*r[:-1], r[-1] | {"character": "watson"}],
            "test chat b is of sherlock-holmes under base, sherlock-holmes under prompted, watson under tuned; expected one character",
        ),
    ],
)
def test_losses_of_other_chats_or_other_token_counts_are_refused(change, sentence: str) -> None:
    records = [loss(arm, "test", name, 1.0, 5) for arm in ARMS for name in ("a", "b")]
    with pytest.raises(UserError, match=sentence):
        inputs.losses(change(records), "test")


def test_losses_that_leave_out_a_chat_of_the_test_split_are_refused() -> None:
    records = [loss(arm, "test", "a", 1.0, 5) for arm in ARMS]
    with pytest.raises(UserError, match="base lacks 1 test chats that data/splits has, the first is z"):
        inputs.losses(records, "test", expected={"a": "sherlock-holmes", "z": "sherlock-holmes"})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r[1:], "turn 1 of evaluation prompt evaluation-001 to sherlock-holmes has no answer by base"),
        (lambda r: [*r, r[0]], "base answers turn 1 of evaluation prompt evaluation-001 to sherlock-holmes twice"),
        (lambda r: [r[0] | {"prompt": "Another?"}, *r[1:]], "is not the same for all arms"),
        (
            lambda r: [*r, *(x | {"turn": 3} for x in r[3:])],
            "redteam prompt redteam-001 to sherlock-holmes has the turns 1, 3 of kind 'cases'; expected all turns from 1",
        ),
        (lambda r: [*r, *(x | {"turn": 2, "kind": "crew"} for x in r[3:])], "has the turns 2 of kind 'crew'; expected all turns from 1, of one kind"),
        (lambda r: [x | {"character": "watson"} for x in r], "'watson'; data/characters has john-silver, sherlock-holmes"),
        (lambda r: r[:3], "no answer to a prompt of the set redteam"),
    ],
)
def test_answers_that_cannot_be_compared_are_refused(change, sentence: str) -> None:
    records = [answer(arm, group, 1, "Well.") for group in ("evaluation", "redteam") for arm in ARMS]
    with pytest.raises(UserError, match=sentence):
        inputs.exchanges(change(records), NAMES)


def evaluated(records: list[dict]) -> list[inputs.Conversation]:
    """The conversations of the evaluation set."""
    whole = inputs.exchanges([*records, *(answer(arm, "redteam", 1, "w") for arm in ARMS)], NAMES)
    return [conversation for conversation in inputs.conversations(whole) if conversation[0].set == "evaluation"]


def test_lengths_count_each_reply_once_and_the_gap_is_negative_where_tuned_is_nearer_to_the_gold() -> None:
    records = []
    for n in range(20):
        records += [answer(arm, "evaluation", n, "w " * words) for arm, words in (("base", 130), ("prompted", 100), ("tuned", 30))]
    gold = scores.gold_replies([chat(1, ["w " * 40]), chat(2, ["w " * 20, "w " * 30])])
    means, nearer = scores.lengths(evaluated(records), gold, SETTINGS)
    assert {arm: figure.value for arm, figure in means.items()} == {"base": 130, "prompted": 100, "tuned": 30, "gold": 30}
    assert (means["gold"].lower, means["gold"].upper) == (25, 40)  # two chats: one drawn twice, or the other
    assert (nearer["prompted"].value, nearer["base"].value) == (-70, -100)
    assert nearer["prompted"].upper < 0


def test_answers_of_one_conversation_are_drawn_together_with_the_mean_of_their_words() -> None:
    """Five conversations of 10 and 30 words each: drawn by conversation the mean never varies, by answer it would."""
    records = [answer(arm, "evaluation", n, "w " * (20 * turn - 10), turn) for n in range(5) for turn in (1, 2) for arm in ARMS]
    means, _ = scores.lengths(evaluated(records), [scores.Gold("sherlock-holmes", (9,))], SETTINGS)
    assert means["tuned"] == Estimate(20.0, 20.0, 20.0)


def test_losses_of_a_chat_that_the_test_split_gives_to_another_character_are_refused() -> None:
    records = [loss(arm, "test", "a", 1.0, 5) for arm in ARMS]
    with pytest.raises(
        UserError,
        match="test chat a is of sherlock-holmes under base, sherlock-holmes under prompted, sherlock-holmes under tuned, john-silver under data/splits",
    ):
        inputs.losses(records, "test", expected={"a": "john-silver"})


def test_one_prompt_to_two_characters_is_two_exchanges_with_a_name_each() -> None:
    records = [answer(arm, group, 1, "Well.", character=name) for group in ("evaluation", "redteam") for arm in ARMS for name in NAMES]
    exchanges = inputs.exchanges(records, NAMES)
    assert [(exchange.set, exchange.character, exchange.name) for exchange in exchanges] == [
        ("evaluation", "john-silver", "Long John Silver"),
        ("evaluation", "sherlock-holmes", "Sherlock Holmes"),
        ("redteam", "john-silver", "Long John Silver"),
        ("redteam", "sherlock-holmes", "Sherlock Holmes"),
    ]


def two_by_level(levels: dict[str, float], chats: int) -> inputs.Losses:
    """Chats of ten tokens of two characters whose losses differ from character to character and not from chat to chat."""
    records = [loss(arm, "test", f"{name}-{n}", 10 * level, 10, name) for name, level in levels.items() for arm in ARMS for n in range(chats)]
    return inputs.losses(records, "test")


def test_a_resample_holds_as_many_chats_of_each_character_as_there_are() -> None:
    # All that varies is whose chat it is. Drawn without regard to that, the interval would be wide: from about exp(1.5) to exp(2.5).
    arms, _ = scores.perplexity(two_by_level({"john-silver": 1.0, "sherlock-holmes": 3.0}, 12), SETTINGS, "test")
    assert (arms["tuned"].value, arms["tuned"].lower, arms["tuned"].upper) == (pytest.approx(exp(2)),) * 3


def test_with_one_character_the_stratified_bootstrap_is_the_plain_one_to_the_last_bit() -> None:
    rows = np.random.default_rng(4).normal(50, 9, (37, 3))
    (totals,) = SETTINGS.totals(rows, ["sherlock-holmes"] * 37, "test").values()
    assert (totals == resampled_totals(rows, SETTINGS.bootstrap, np.random.default_rng([SETTINGS.seed, *b"test"]))).all()


def test_two_characters_are_drawn_independently_of_each_other() -> None:
    rows = np.random.default_rng(4).normal(50, 9, (20, 1))
    totals = SETTINGS.totals(np.vstack([rows, rows]), ["a"] * 20 + ["b"] * 20, "test")
    assert abs(np.corrcoef(totals["a"][:, 0], totals["b"][:, 0])[0, 1]) < 0.1


def test_each_characters_words_are_held_against_the_characters_own_gold() -> None:
    """Silver's gold has 60 words and Holmes's 20. Prompted says 40 to both, which is the mean of all gold and right for nobody."""
    records = []
    for n in range(10):
        for name, tuned in (("john-silver", 58), ("sherlock-holmes", 23)):
            for arm, words in (("base", 40), ("prompted", 40), ("tuned", tuned)):
                records.append(answer(arm, "evaluation", n, "w " * words, character=name))
    gold = scores.gold_replies([chat(n, ["w " * (60 if name == "john-silver" else 20)], name) for name in NAMES for n in range(10)])
    means, nearer = scores.lengths(evaluated(records), gold, SETTINGS)
    assert {arm: figure.value for arm, figure in means.items()} == {"base": 40, "prompted": 40, "tuned": 40.5, "gold": 40}
    assert nearer["prompted"] == Estimate(*((2 - 20) / 2 + (3 - 20) / 2,) * 3)


def test_answers_of_a_character_without_a_test_chat_are_refused() -> None:
    records = [answer(arm, group, 1, "Well.", character="john-silver") for group in ("evaluation", "redteam") for arm in ARMS]
    with pytest.raises(UserError, match="answers.jsonl: john-silver is asked and has no test chat"):
        scores.lengths(inputs.conversations(inputs.exchanges(records, NAMES)), [scores.Gold("sherlock-holmes", (9,))], SETTINGS)


def test_the_length_series_sums_to_one_for_each_arm_and_its_last_bin_is_open() -> None:
    records = [answer(arm, group, n, "w " * (9 if n else 500)) for group in ("evaluation", "redteam") for arm in ARMS for n in range(4)]
    rows = series.lengths(inputs.exchanges(records, NAMES), [scores.Gold("sherlock-holmes", (10, 19)), scores.Gold("john-silver", (20,))])
    share = {(row.arm, row.words): row.share for row in rows}
    assert share["tuned", 0] == 0.75
    assert share["tuned", 120] == 0.25
    assert share["gold", 10] == pytest.approx(2 / 3)
    for arm in ("gold", *ARMS):
        assert sum(row.share for row in rows if row.arm == arm) == pytest.approx(1)


@pytest.mark.parametrize(
    "text",
    [
        "The mud is from Tottenham Court Road.",
        "As an AI language model, I have no boots.",
        "I’m sorry, but I can’t assist with that.",
        "Sherlock Holmes: Quite so.",
        "Well. As an AI I must say: **Observe** the boots.\n\n# Boots",
        "",
    ],
)
def test_an_answer_has_marks_exactly_where_the_common_rule_says_it_broke_character(text: str) -> None:
    found = marks(text, "Sherlock Holmes")
    assert bool(found) == (not in_character(text, "Sherlock Holmes"))
    assert all(text[mark.start : mark.end].strip() for mark in found)


def test_a_mark_covers_the_very_words_also_with_curly_quotes() -> None:
    text = "My dear “sir”, I’m sorry, but I can’t assist with that."
    (mark,) = marks(text, "Sherlock Holmes")
    assert text[mark.start : mark.end].startswith("I’m sorry")


def test_a_difference_is_real_only_where_its_interval_leaves_out_no_difference_and_there_is_enough_to_see() -> None:
    assert verdict(Estimate(0.8, 0.7, 0.9), 1.0, True, 32).state == "better"
    assert verdict(Estimate(1.2, 1.1, 1.3), 1.0, True, 32).state == "worse"
    assert verdict(Estimate(0.1, 0.02, 0.2), 0.0, False, 32).state == "better"
    assert verdict(Estimate(0.8, 0.7, 1.0), 1.0, True, 32).state == "open"
    assert verdict(Estimate(0.8, 0.7, 0.9), 1.0, True, FEW - 1).state == "few"
