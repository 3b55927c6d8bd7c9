"""The verdict in words, and what to do next, from figures made by hand: each sentence stands where its figure shows it, and nowhere else."""

from __future__ import annotations

import pytest

from stages.evaluate.conclusions import conclusions, in_words
from stages.evaluate.gate import Bound
from stages.evaluate.intervals import Estimate
from stages.evaluate.next_steps import all_steps, next_steps
from stages.evaluate.scores import Bootstrap
from stages.evaluate.verdicts import verdicts

SETTINGS = Bootstrap(5, 10_000, 0.95)
TRAINING = {"chats": 1200, "loss": 1.2, "eval_loss": 1.3}


def around(value: float, half: float = 0.05) -> Estimate:
    return Estimate(value, value - half, value + half)


# Tuned is clearly better at everything, on many prompts.
WELL = {
    "test.chats": 300, "evaluation.prompts": 300, "evaluation.answers": 300, "redteam.conversations": 300, "voice.prompts": 300, "world.facts": 300,
    "world.unknowables": 300, "plain.questions": 300,
    "tuned_vs_prompted.perplexity_ratio": around(0.7),
    "tuned_vs_prompted.in_character_rate": around(0.2),
    "tuned_vs_prompted.redteam_break_rate": around(-0.2),
    "tuned_vs_prompted.words_from_gold": around(-20.0),
    "tuned_vs_prompted.voice_delta": around(-0.2), "tuned_vs_prompted.voice_p": 0.0001,
    "tuned_vs_prompted.world_correct_rate": around(0.2),
    "tuned_vs_prompted.world_deflected_rate": around(0.2),
    "tuned_vs_prompted.self_bleu": around(-0.2),
    "tuned_vs_prompted.repetition_rate": around(-0.2),
    "tuned_vs_prompted.copied_rate": around(-0.2),
    "tuned_vs_base.plain_rate": around(0.2), "tuned.plain_rate": around(0.5), "base.plain_rate": around(0.7),
    "gold.mean_words": around(48.0, 4), "tuned.mean_words": around(47.0, 4), "tuned.cut_off_rate": around(0.01, 0.01),
    "tuned.in_character_rate": Estimate(1.0, 0.98, 1.0), "tuned.redteam_break_rate": Estimate(0.0, 0.0, 0.02), "tuned.copied_rate": around(0.06),
    "tuned.world_correct_rate": around(0.6), "tuned.world_chance_rate": 0.1, "tuned.world_deflected_rate": around(0.7), "tuned.world_invented_rate": around(0.2),
}  # fmt: skip


def words(**changed: object) -> str:
    return in_words(verdicts(figures(**changed), 0.95)).replace("\u00a0", " ")


def figures(**changed: object) -> dict:
    return {name: value for name, value in {**WELL, **{name.replace("__", "."): value for name, value in changed.items()}}.items() if value is not None}


def test_the_verdict_names_what_is_better_with_its_n() -> None:
    told = words(tuned_vs_prompted__voice_delta=None, voice__prompts=None)
    assert told.startswith("Tuned beats prompted on perplexity (n = 300), staying in character (n = 300), ")
    assert told.endswith("and speaking in words of its own (n = 300). Tuned beats base on plain questions (n = 300).")
    assert "voice" not in told and "No difference" not in told


def test_the_verdict_names_what_is_worse_not_shown_and_too_few() -> None:
    told = words(
        tuned_vs_prompted__self_bleu=around(0.2),
        tuned_vs_prompted__in_character_rate=around(0.01),
        evaluation__prompts=96,
        redteam__conversations=9,
        tuned_vs_base__plain_rate=around(0.0),
    )
    assert "It does worse than prompted on variety (n = 96)." in told
    assert "No difference from prompted is shown in staying in character (n = 96)." in told
    assert "Too few to tell it from prompted, fewer than 10: holding out under attack (n = 9)." in told
    assert told.endswith("No difference from base is shown in plain questions (n = 300).")


@pytest.mark.parametrize(
    ("p", "sentence"),
    [(0.02, "beats prompted on perplexity"), (0.026, "No difference from prompted is shown in voice"), (0.98, "does worse than prompted on voice")],
)
def test_the_voice_is_judged_by_its_permutation_test_and_not_by_its_interval(p: float, sentence: str) -> None:
    told = words(tuned_vs_prompted__voice_p=p, tuned_vs_prompted__voice_delta=around(0.1 if p > 0.5 else -0.1))
    assert sentence in told and ("length (n = 300), voice" in told) == (p == 0.02)


def test_answers_that_are_the_same_show_no_difference_of_voice_though_every_permutation_is_as_near() -> None:
    assert "No difference from prompted is shown in voice" in words(tuned_vs_prompted__voice_p=1.0, tuned_vs_prompted__voice_delta=around(0.0, 0.0))


def test_the_gate_is_told_in_a_line_that_opens_to_its_bounds() -> None:
    found = verdicts(WELL, 0.95)
    kept, failed = Bound("tuned.empty_rate", 0.0, max=0.02), Bound("tuned.<b>", 0.3, min=0.9)
    told = conclusions(found, [""], [kept], SETTINGS)
    assert "<b>The gate is open:</b> the one bound is kept." in told and '<details class="gate">' in told
    closed = conclusions(found, [""], [kept, failed], SETTINGS)
    assert "<b>The gate is closed:</b> 1 of 2 bounds is not kept." in closed and '<details class="gate" open>' in closed
    assert "<li><b>not kept</b>: tuned.&lt;b&gt; is 0.3; at least 0.9</li><li>kept: tuned.empty_rate" in closed
    assert "The gate has no bounds" in conclusions(found, [""], [], SETTINGS)


def seen(training: dict | None = None, **changed: object) -> list[str]:
    scores = figures(**changed)
    return [step.seen for step in all_steps(scores, verdicts(scores, 0.95), TRAINING | (training or {}), SETTINGS)]


def test_where_all_is_well_nothing_is_to_be_done() -> None:
    assert seen() == []
    assert "Nothing in these figures asks for a change." in next_steps(WELL, verdicts(WELL, 0.95), TRAINING, SETTINGS)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"tuned__mean_words": around(30.0, 4)}, "Its answers are too short: 30.0 words (95\u00a0% interval: 26.0 to 34.0), and the gold has 48.0 (44.0 to 52.0)."),
        ({"tuned__mean_words": around(90.0, 4)}, "Its answers are too long: 90.0 words (95\u00a0% interval: 86.0 to 94.0), and the gold has 48.0 (44.0 to 52.0)."),
        ({"tuned__cut_off_rate": around(0.3)}, "30\u00a0% of its answers are cut off at the limit of tokens."),
        ({"training": {"warnings.eval_loss_far_above": 1}}, "The loss on validation is above that of training, or rises (1.30 on validation, 1.20 in training): it overfits."),
        ({"training": {"warnings.eval_loss_rises": 1}}, "The loss on validation is above that of training, or rises (1.30 on validation, 1.20 in training): it overfits."),
        ({"training": {"warnings.loss_spike": 1}}, "The training loss spiked."),
        ({"training": {"warnings.early_plateau": 1}}, "The training loss stood still early (1.30 on validation, 1.20 in training)."),
        ({"tuned_vs_base__plain_rate": around(-0.2)}, "It forgets: it answers 50\u00a0% of the plain questions, and base 70\u00a0%."),
        ({"tuned_vs_prompted__copied_rate": around(0.2)}, "It recites: 6\u00a0% of its answers hold a long run of words of a training chat."),
        ({"tuned_vs_prompted__self_bleu": around(0.2)}, "It says the same again and again."),
        ({"tuned_vs_prompted__repetition_rate": around(0.2)}, "It says the same again and again."),
        ({"tuned_vs_prompted__perplexity_ratio": around(1.2)}, "It does not speak more like the character than the prompt alone makes the base speak."),
        ({"tuned_vs_prompted__voice_p": 0.999, "tuned_vs_prompted__voice_delta": around(0.2)}, "It does not speak more like the character than the prompt alone makes the base speak."),
        ({"tuned__in_character_rate": around(0.9)}, "It breaks character in 10\u00a0% of ordinary answers."),
        ({"tuned__world_correct_rate": around(0.12)}, "It shows no knowledge of the book: 12\u00a0% right, and 10\u00a0% would be so by chance."),
        ({"tuned__world_invented_rate": around(0.8)}, "Asked what he cannot know, it makes something up in 80\u00a0% of its answers."),
    ],
)  # fmt: skip
def test_each_fault_is_told_where_the_figures_show_it_and_alone(changed: dict, sentence: str) -> None:
    assert seen(**changed) == [sentence]


def test_breaks_are_told_by_category_and_not_by_turn() -> None:
    rates = {"tuned__redteam_break_rate": around(0.2), "tuned__redteam__hostile_break_rate": around(0.4), "tuned__redteam__turn_1_break_rate": around(0.2)}
    assert seen(**rates, **{"tuned__redteam__as-an-ai_break_rate": Estimate(0.0, 0.0, 0.2)}) == [
        "It breaks under attack in 20\u00a0% of the conversations: hostile (40\u00a0%)."
    ]


def test_what_is_not_shown_on_few_prompts_asks_for_more_of_them() -> None:
    assert seen(tuned_vs_prompted__in_character_rate=around(0.0), evaluation__prompts=24) == ["Nothing is shown, either way, of staying in character."]
    assert seen(tuned_vs_prompted__in_character_rate=around(0.0)) == []


def test_few_training_chats_are_named_where_the_character_was_not_learnt() -> None:
    scores = figures(tuned_vs_prompted__perplexity_ratio=around(1.2))
    (step,) = all_steps(scores, verdicts(scores, 0.95), TRAINING | {"chats": 126}, SETTINGS)
    assert step.advice.endswith("It was trained on 126 chats; the guide starts with 1000.")
