"""The figures: perplexity, rates and lengths of each arm, and the differences between the arms, each with its interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stages.common.chats import spoken, words
from stages.evaluate.inputs import ARMS, Exchange, Losses
from stages.evaluate.intervals import Estimate, paired_difference, percentile, resampled_totals, wilson

Scores = Mapping[str, "Estimate | int"]


@dataclass(frozen=True)
class Bootstrap:
    """The parameters under `evaluate`: the seed, the number of resamples, and the share of such intervals that hold the truth."""

    seed: int
    bootstrap: int
    confidence: float

    def totals(self, rows: np.ndarray, stream: str) -> np.ndarray:
        """resampled_totals with random numbers of its own for each `stream`, so that prompts and gold are drawn independently."""
        return resampled_totals(rows, self.bootstrap, np.random.default_rng([self.seed, *stream.encode()]))

    def around(self, value: float, samples: np.ndarray) -> Estimate:
        return percentile(value, samples, self.confidence)


def perplexity(losses: Losses, settings: Bootstrap, stream: str) -> tuple[dict[str, Estimate], Estimate]:
    """exp(total nats / total tokens) of each arm, and tuned's over prompted's, from one bootstrap over the same chats."""
    rows = np.column_stack([losses.nll, losses.tokens])
    whole, samples = rows.sum(axis=0), settings.totals(rows, stream)
    arms = {arm: settings.around(np.exp(whole[i] / whole[-1]), np.exp(samples[:, i] / samples[:, -1])) for i, arm in enumerate(ARMS)}
    ratio = settings.around(np.exp((whole[1] - whole[0]) / whole[-1]), np.exp((samples[:, 1] - samples[:, 0]) / samples[:, -1]))
    return arms, ratio


def gold_replies(chats: Iterable[dict]) -> list[tuple[int, ...]]:
    """The words of each reply, chat by chat in order of their ids."""
    return [tuple(words(reply) for reply in spoken(chat, "gpt")) for chat in sorted(chats, key=lambda chat: chat["id"])]


def lengths(exchanges: Sequence[Exchange], gold: Sequence[tuple[int, ...]], settings: Bootstrap) -> tuple[dict[str, Estimate], Estimate]:
    """Mean words of each arm's answers and of the gold's replies, and how much further from the gold tuned is than prompted.

    The last, |tuned - gold| - |prompted - gold| in words, is below 0 where tuned is nearer. Answers are drawn by prompt, the
    same prompts for both arms; gold replies by chat, for replies of one chat are alike.
    """
    answers = np.array([[exchange.answers[arm].words for arm in ARMS] for exchange in exchanges], dtype=float)
    replies = np.array([[sum(chat), len(chat)] for chat in gold], dtype=float)
    answer_samples = settings.totals(answers, "words") / len(answers)
    gold_samples = settings.totals(replies, "gold")
    gold_samples = gold_samples[:, 0] / gold_samples[:, 1]
    means, gold_mean = answers.mean(axis=0), replies[:, 0].sum() / replies[:, 1].sum()
    result = {arm: settings.around(means[i], answer_samples[:, i]) for i, arm in enumerate(ARMS)}
    result["gold"] = settings.around(gold_mean, gold_samples)
    nearer = settings.around(
        abs(means[1] - gold_mean) - abs(means[0] - gold_mean),
        np.abs(answer_samples[:, 1] - gold_samples) - np.abs(answer_samples[:, 0] - gold_samples),
    )
    return result, nearer


def score(test: Losses, validation: Losses, exchanges: Sequence[Exchange], gold: Sequence[tuple[int, ...]], settings: Bootstrap) -> Scores:
    """Every figure of the evaluation by its name in metrics/evaluate.json."""
    evaluation = [exchange for exchange in exchanges if exchange.set == "evaluation"]
    redteam = [exchange for exchange in exchanges if exchange.set == "redteam"]
    perplexities, ratio = perplexity(test, settings, "test")
    validations, _ = perplexity(validation, settings, "validation")
    means, nearer = lengths(evaluation, gold, settings)
    result: dict[str, Estimate | int] = {}
    for arm in ARMS:
        answers = [exchange.answers[arm] for exchange in exchanges]
        result |= {
            f"{arm}.perplexity": perplexities[arm],
            f"{arm}.validation_perplexity": validations[arm],
            f"{arm}.in_character_rate": wilson(sum(not e.answers[arm].broke for e in evaluation), len(evaluation), settings.confidence),
            f"{arm}.redteam_break_rate": wilson(sum(e.answers[arm].broke for e in redteam), len(redteam), settings.confidence),
            f"{arm}.mean_words": means[arm],
            f"{arm}.cut_off_rate": wilson(sum(answer.cut_off for answer in answers), len(answers), settings.confidence),
            f"{arm}.empty_rate": wilson(sum(answer.words == 0 for answer in answers), len(answers), settings.confidence),
        }
    result["gold.mean_words"] = means["gold"]
    kept = [[not e.answers[arm].broke for e in evaluation] for arm in ARMS]
    broken = [[e.answers[arm].broke for e in redteam] for arm in ARMS]
    return result | {
        "tuned_vs_prompted.perplexity_ratio": ratio,
        "tuned_vs_prompted.in_character_rate": paired_difference(*kept, settings.confidence),
        "tuned_vs_prompted.redteam_break_rate": paired_difference(*broken, settings.confidence),
        "tuned_vs_prompted.words_from_gold": nearer,
        "test.chats": len(test.ids),
        "test.tokens": int(test.tokens.sum()),
        "validation.chats": len(validation.ids),
        "validation.tokens": int(validation.tokens.sum()),
        "evaluation.prompts": len(evaluation),
        "redteam.prompts": len(redteam),
        "gold.replies": sum(len(chat) for chat in gold),
    }


def flat(scores: Scores) -> dict[str, float]:
    """The figures as metrics/evaluate.json holds them: NAME, NAME_lower, NAME_upper; six decimals, far below any interval's width."""
    result: dict[str, float] = {}
    for name, figure in scores.items():
        if isinstance(figure, Estimate):
            result |= {name: round(figure.value, 6), f"{name}_lower": round(figure.lower, 6), f"{name}_upper": round(figure.upper, 6)}
        else:
            result[name] = figure
    return result


def families(exchanges: Iterable[Exchange]) -> dict[str, Counter[str]]:
    """For each family of breaks, in how many answers of each arm it was found."""
    result: dict[str, Counter[str]] = {}
    for exchange in exchanges:
        for arm in ARMS:
            for family in {mark.family for mark in exchange.answers[arm].marks}:
                result.setdefault(family, Counter())[arm] += 1
    return {family: result[family] for family in sorted(result, key=lambda f: (-result[f].total(), f))}
