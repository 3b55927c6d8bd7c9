"""What to do next, by the table of issues and solutions of the fine-tuning guide that this project follows, and by what the figures show beyond it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stages.common.html_page import percent, text
from stages.evaluate.intervals import Estimate
from stages.evaluate.scores import Bootstrap, Scores
from stages.evaluate.verdicts import MEASURES, Verdict
from stages.evaluate.wording import level, listed, plain, span

CUT = 0.05  # of answers: one in twenty may want more tokens than it gets
ENOUGH = 210  # decisive pairs that show a true rate of 60 % (two-sided sign test at 0.05, 80 % power)
START = 1000  # training chats; the guide: start with 1,000 to 3,000


@dataclass(frozen=True)
class Step:
    """What the figures show, and what helps: a sentence each."""

    seen: str
    advice: str


def next_steps(scores: Scores, found: Mapping[str, Verdict], training: Mapping[str, float], settings: Bootstrap) -> str:
    """The section; `training` is metrics/train.json."""
    steps = list(all_steps(scores, found, training, settings))
    told = "".join(f"<li><b>{text(step.seen)}</b> {text(step.advice)}</li>" for step in steps)
    return f"<section><h2>What to do next</h2>{f'<ol>{told}</ol>' if told else '<p>Nothing in these figures asks for a change.</p>'}</section>"


def all_steps(scores: Scores, found: Mapping[str, Verdict], training: Mapping[str, float], settings: Bootstrap) -> Iterator[Step]:
    """What to do, training's faults first, then the data's, then how more could be known."""
    state = {name: verdict.state for name, verdict in found.items()}
    yield from _of_training(training)
    if state.get("plain_rate") == "worse":
        right = [percent(scores[f"{arm}.plain_rate"].value) for arm in ("tuned", "base")]
        yield Step(
            f"It forgets: it answers {right[0]} of the plain questions, and base {right[1]}.",
            "Fewer epochs (num_epochs), a lower learning_rate or more lora_dropout, and plain chats among the training ones (split.replay_share).",
        )
    if state.get("copied_rate") == "worse":
        yield Step(
            f"It recites: {percent(scores['tuned.copied_rate'].value)} of its answers hold a long run of words of a training chat.",
            "Fewer epochs (num_epochs), and more and more various chats.",
        )
    yield from _of_lengths(scores, settings)
    yield from _of_manner(scores, state, training)
    yield from _of_breaks(scores)
    yield from _of_knowledge(scores)
    unclear = [measure.words for measure in MEASURES if state.get(measure.difference) in ("open", "few") and found[measure.difference].count < ENOUGH]
    if unclear:
        yield Step(
            f"Nothing is shown, either way, of {listed(unclear)}.",
            f"Small differences need numbers: some {ENOUGH} pairs in which one is the better, to see that it is so in 60 of 100. answer.limit says how many prompts are asked; null asks all. "
            "And no figure of this page knows whether he sounds like himself: let people judge blindly.",
        )


def _of_training(training: Mapping[str, float]) -> Iterator[Step]:
    """What the train stage warned of; its sentences stand in its output, the figures in metrics/train.json."""

    def warned(name: str) -> bool:
        return bool(training.get(f"warnings.{name}"))

    losses = f"{training['eval_loss']:.2f} on validation, {training['loss']:.2f} in training"
    if warned("eval_loss_far_above") or warned("eval_loss_rises"):
        yield Step(
            f"The loss on validation is above that of training, or rises ({losses}): it overfits.",
            "Fewer epochs (num_epochs), more lora_dropout, or more chats.",
        )
    if warned("loss_spike"):
        yield Step("The training loss spiked.", "A lower learning_rate, or a longer warmup_ratio.")
    if warned("early_plateau"):
        yield Step(f"The training loss stood still early ({losses}).", "A higher learning_rate, or better data: look at reports/filter.html for what passed.")


def _of_lengths(scores: Scores, settings: Bootstrap) -> Iterator[Step]:
    tuned, gold, cut = scores.get("tuned.mean_words"), scores["gold.mean_words"], scores.get("tuned.cut_off_rate")
    if tuned and (tuned.upper < gold.lower or tuned.lower > gold.upper):
        yield Step(
            f"Its answers are too {'short' if tuned.value < gold.value else 'long'}: {plain(tuned.value)} words ({level(settings)} interval: {span(tuned, plain)}), "
            f"and the gold has {plain(gold.value)} ({span(gold, plain)}).",
            "Balance the lengths of what it is trained on: filter.length_target: gold drops synthetic chats until they are spread as the gold’s; filter.min_words and max_words bound a reply.",
        )
    if cut and cut.lower > CUT:
        yield Step(
            f"{percent(cut.value)} of its answers are cut off at the limit of tokens.",
            "Either the limit is too low (answer.max_tokens), or it never learnt to end: reports/tokens.html shows whether the end of turn is trained.",
        )


def _of_manner(scores: Scores, state: Mapping[str, str], training: Mapping[str, float]) -> Iterator[Step]:
    learnt = [state.get("perplexity_ratio"), state.get("voice_delta")]
    if "worse" in learnt or "better" not in learnt:
        more = f" It was trained on {training['chats']:g} chats; the guide starts with {START}." if training["chats"] < START else ""
        yield Step(
            "It does not speak more like the character than the prompt alone makes the base speak.",
            f"More chats in his voice, a higher learning_rate, or a larger rank (lora_r).{more}",
        )
    if "worse" in (state.get("self_bleu"), state.get("repetition_rate")):
        yield Step(
            "It says the same again and again.", "Fewer epochs (num_epochs), more various scenarios, stricter filter.max_repeated_in_reply and near_duplicate."
        )


def _of_breaks(scores: Scores) -> Iterator[Step]:
    broken, kept = scores.get("tuned.redteam_break_rate"), scores.get("tuned.in_character_rate")
    if broken and broken.value > 0:
        names = {
            name.removeprefix("tuned.redteam.").removesuffix("_break_rate"): rate
            for name, rate in scores.items()
            if name.startswith("tuned.redteam.") and isinstance(rate, Estimate)
        }
        where = [f"{name} ({percent(rate.value)})" for name, rate in names.items() if rate.value > 0 and not name.startswith("turn_")]
        yield Step(
            f"It breaks under attack in {percent(broken.value)} of the conversations: {listed(where)}.",
            "Read every break below; then write gold chats in which a visitor presses like that and he stays who he is, and have the teacher write more of them.",
        )
    if kept and kept.value < 1:
        yield Step(
            f"It breaks character in {percent(1 - kept.value)} of ordinary answers.",
            "The words are marked in the answers below. If training chats have them too, the filter’s rules must grow; if not, more chats help.",
        )


def _of_knowledge(scores: Scores) -> Iterator[Step]:
    right, chance = scores.get("tuned.world_correct_rate"), scores.get("tuned.world_chance_rate")
    if right and chance is not None and right.lower <= chance:
        yield Step(
            f"It shows no knowledge of the book: {percent(right.value)} right, and {percent(chance)} would be so by chance.",
            "An adapter learns manner sooner than facts: put them into the card’s lorebook (character_book), which the prompt takes what it needs from, or take a larger base.",
        )
    turned, invented = scores.get("tuned.world_deflected_rate"), scores.get("tuned.world_invented_rate")
    if turned and invented and invented.value > turned.value:
        yield Step(
            f"Asked what he cannot know, it makes something up in {percent(invented.value)} of its answers.",
            "Gold chats in which he is asked such things, and turns them away in his own manner.",
        )
