"""The figures: perplexity, rates and lengths of each arm, and the differences between the arms, each with its interval; of all and by character."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stages.common.chats import spoken, words
from stages.common.errors import UserError
from stages.evaluate import redteam
from stages.evaluate.inputs import ARMS, UNTRAINED, Conversation, Exchange, Losses, broke, conversations
from stages.evaluate.intervals import Estimate, paired_difference, percentile, resampled_totals, wilson

Scores = Mapping[str, "Estimate | int | float"]


@dataclass(frozen=True)
class Gold:
    """A chat of the test split: whose it is, and the words of each reply."""

    character: str
    words: tuple[int, ...]


@dataclass(frozen=True)
class Bootstrap:
    """The parameters under `evaluate`: the seed, the number of resamples, and the share of such intervals that hold the truth."""

    seed: int
    bootstrap: int
    confidence: float

    def totals(self, rows: np.ndarray, characters: Sequence[str], stream: str) -> dict[str, np.ndarray]:
        """resampled_totals of each character's rows, in alphabetical order; `characters[i]` is whose row i is.

        Stratified: every resample holds as many rows of each character as there are. The characters were chosen and not drawn,
        so an interval must not cover that another draw would have met fewer of one and more of another (Davison
        and Hinkley 1997, section 3.2). With one character it is the plain bootstrap. Each `stream` has random numbers of its
        own, so that prompts and gold are drawn independently.
        """
        generator = np.random.default_rng([self.seed, *stream.encode()])
        whose = np.array(characters)
        return {name: resampled_totals(rows[whose == name], self.bootstrap, generator) for name in sorted(set(characters))}

    def around(self, value: float, samples: np.ndarray) -> Estimate:
        return percentile(value, samples, self.confidence)

    def rate(self, found: Sequence[bool], trials: int | None = None) -> Estimate | None:
        """The share that is true; None where nothing was asked. With `trials`, the interval is that of so many, for answers of one conversation are alike."""
        if not found:
            return None
        trials = trials or len(found)
        return wilson(sum(found) / len(found) * trials, trials, self.confidence)

    def difference(self, found: Mapping[str, Sequence[bool]], other: str) -> Estimate | None:
        """Tuned's rate minus that of the arm `other` over the same conversations; None where nothing was asked."""
        return paired_difference(found[other], found["tuned"], self.confidence) if found["tuned"] else None


def perplexity(losses: Losses, settings: Bootstrap, stream: str) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """exp(total nats / total tokens) of each arm, and tuned's over that of each untrained one, from one bootstrap over the same chats."""
    rows = np.column_stack([losses.nll, losses.tokens])
    whole, samples = rows.sum(axis=0), sum(settings.totals(rows, losses.characters, stream).values())
    arms = {arm: settings.around(np.exp(whole[i] / whole[-1]), np.exp(samples[:, i] / samples[:, -1])) for i, arm in enumerate(ARMS)}
    tuned = ARMS.index("tuned")
    ratios = {
        arm: settings.around(np.exp((whole[tuned] - whole[i]) / whole[-1]), np.exp((samples[:, tuned] - samples[:, i]) / samples[:, -1]))
        for i, arm in enumerate(UNTRAINED)
    }
    return arms, ratios


def logarithm(perplexity: Estimate) -> Estimate:
    """The loss of a perplexity, or the difference of losses of a ratio: nats a token, with the same interval."""
    return Estimate(*(math.log(value) for value in (perplexity.value, perplexity.lower, perplexity.upper)))


def gold_replies(chats: Iterable[dict]) -> list[Gold]:
    """The words of each reply, chat by chat in order of their ids."""
    return [Gold(chat["character"], tuple(words(reply) for reply in spoken(chat, "gpt"))) for chat in sorted(chats, key=lambda chat: chat["id"])]


def lengths(asked: Sequence[Conversation], gold: Sequence[Gold], settings: Bootstrap) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Mean words of each arm's answers and of the gold's replies, and how much further from the gold tuned is than each untrained arm.

    The last, |tuned - gold| - |other - gold| in words, is below 0 where tuned is nearer. Each character's distance is taken from
    the character's own gold, and they are averaged by conversations: one character's long answers do not make up for another's short ones.
    Answers are drawn by conversation, the same ones for all arms, each with the mean of its turns; gold replies by chat, for replies of one chat are alike.
    Without a conversation there is only the gold's mean. Raises UserError where a character has answers and no gold.
    """
    owners = np.array([chat.character for chat in gold])
    replies = np.array([[sum(chat.words), len(chat.words)] for chat in gold], dtype=float)
    gold_totals = settings.totals(replies, owners, "gold")
    gold_whole, gold_samples = replies.sum(axis=0), sum(gold_totals.values())
    means = {"gold": settings.around(gold_whole[0] / gold_whole[1], gold_samples[:, 0] / gold_samples[:, 1])}
    if not asked:
        return means, {}
    whose = np.array([conversation[0].character for conversation in asked])
    answers = np.array([[np.mean([turn.answers[arm].words for turn in conversation]) for arm in ARMS] for conversation in asked])
    answer_totals = settings.totals(answers, whose, "words")
    for i, arm in enumerate(ARMS):
        means[arm] = settings.around(answers[:, i].mean(), sum(answer_totals.values())[:, i] / len(answers))
    gap, gaps = np.zeros(len(ARMS)), np.zeros((settings.bootstrap, len(ARMS)))
    for character, totals in answer_totals.items():
        if character not in gold_totals:
            raise UserError(f"data/answers/answers.jsonl: {character} is asked and has no test chat; run the answer stage again")
        said, own, drawn = answers[whose == character], replies[owners == character].sum(axis=0), gold_totals[character]
        share = len(said) / len(answers)
        gap += share * _further(said.mean(axis=0), own[0] / own[1])
        gaps += share * _further(totals / len(said), (drawn[:, 0] / drawn[:, 1])[:, None])
    return means, {arm: settings.around(gap[i], gaps[:, i]) for i, arm in enumerate(ARMS) if arm in UNTRAINED}


def _further(means: np.ndarray, gold: np.ndarray | float) -> np.ndarray:
    """How much further from the gold tuned's mean is than each arm's; the arms are the last axis of `means`, here and there."""
    away = np.abs(means - gold)
    return away[..., [ARMS.index("tuned")]] - away


def score(test: Losses, validation: Losses, exchanges: Sequence[Exchange], gold: Sequence[Gold], settings: Bootstrap) -> Scores:
    """Every figure of the evaluation by its name in metrics/evaluate.json, but for those of which nothing was measured."""
    held = conversations(exchanges)
    evaluation = [conversation for conversation in held if conversation[0].set == "evaluation"]
    attacked = [conversation for conversation in held if conversation[0].set == "redteam"]
    perplexities, ratios = perplexity(test, settings, "test")
    validations = perplexity(validation, settings, "validation")[0] if validation.ids else {}
    means, nearer = lengths(evaluation, gold, settings)
    kept = {arm: [not broke(conversation, arm) for conversation in evaluation] for arm in ARMS}
    broken = {arm: [broke(conversation, arm) for conversation in attacked] for arm in ARMS}
    result: dict[str, Estimate | int | float | None] = {}
    for arm in ARMS:
        answers = [exchange.answers[arm] for exchange in exchanges]
        result |= {
            f"{arm}.loss": logarithm(perplexities[arm]),
            f"{arm}.perplexity": perplexities[arm],
            f"{arm}.validation_perplexity": validations.get(arm),
            f"{arm}.in_character_rate": settings.rate(kept[arm]),
            f"{arm}.mean_words": means.get(arm),
            f"{arm}.cut_off_rate": settings.rate([answer.cut_off for answer in answers], len(held)),
            f"{arm}.empty_rate": settings.rate([answer.words == 0 for answer in answers], len(held)),
        }
    result |= redteam.figures(redteam.attack(attacked, settings.confidence))
    for arm in UNTRAINED:
        result |= {
            f"tuned_vs_{arm}.perplexity_ratio": ratios[arm],
            f"tuned_vs_{arm}.in_character_rate": settings.difference(kept, arm),
            f"tuned_vs_{arm}.redteam_break_rate": settings.difference(broken, arm),
            f"tuned_vs_{arm}.words_from_gold": nearer.get(arm),
        }
    result |= {
        "gold.mean_words": means["gold"],
        "test.chats": len(test.ids),
        "test.tokens": int(test.tokens.sum()),
        "validation.chats": len(validation.ids),
        "validation.tokens": int(validation.tokens.sum()),
        "evaluation.prompts": len(evaluation),
        "evaluation.answers": sum(map(len, evaluation)),
        "redteam.conversations": len(attacked),
        "redteam.answers": sum(map(len, attacked)),
        "gold.replies": sum(len(chat.words) for chat in gold),
    }
    return {name: figure for name, figure in result.items() if figure is not None}


def by_character(test: Losses, validation: Losses, exchanges: Sequence[Exchange], gold: Sequence[Gold], settings: Bootstrap) -> dict[str, Scores]:
    """The same figures for each character of the test split alone, in alphabetical order; with one character, those of the whole."""
    return {
        character: score(
            test.of(character),
            validation.of(character),
            [exchange for exchange in exchanges if exchange.character == character],
            [chat for chat in gold if chat.character == character],
            settings,
        )
        for character in sorted(set(test.characters))
    }


def flat(scores: Scores, each: Mapping[str, Scores]) -> dict[str, float]:
    """The figures as metrics/evaluate.json holds them: NAME, NAME_lower, NAME_upper, and the same under CHARACTER.NAME for `each`.

    Six decimals, far below any interval's width.
    """
    result: dict[str, float] = {}
    named = [*scores.items(), *((f"{character}.{name}", figure) for character, own in each.items() for name, figure in own.items())]
    for name, figure in named:
        if isinstance(figure, Estimate):
            result |= {name: round(figure.value, 6), f"{name}_lower": round(figure.lower, 6), f"{name}_upper": round(figure.upper, 6)}
        else:
            result[name] = round(figure, 6)
    return result


def families(exchanges: Iterable[Exchange]) -> dict[str, Counter[str]]:
    """For each family of breaks, in how many answers of each arm it was found."""
    result: dict[str, Counter[str]] = {}
    for exchange in exchanges:
        for arm in ARMS:
            for family in {mark.family for mark in exchange.answers[arm].marks}:
                result.setdefault(family, Counter())[arm] += 1
    return {family: result[family] for family in sorted(result, key=lambda f: (-result[f].total(), f))}
