"""The figures: perplexity, rates and lengths of each arm, and the differences between the arms, each with its interval; of all and by character."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stages.common.chats import spoken, words
from stages.common.errors import UserError
from stages.evaluate.inputs import ARMS, Exchange, Losses
from stages.evaluate.intervals import Estimate, paired_difference, percentile, resampled_totals, wilson

Scores = Mapping[str, "Estimate | int"]


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

    def rate(self, found: Sequence[bool]) -> Estimate | None:
        """The share that is true; None where nothing was asked."""
        return wilson(sum(found), len(found), self.confidence) if found else None

    def difference(self, found: Mapping[str, Sequence[bool]]) -> Estimate | None:
        """Tuned's rate minus prompted's over the same prompts; None where nothing was asked."""
        return paired_difference(*(found[arm] for arm in ARMS), self.confidence) if all(found.values()) else None


def perplexity(losses: Losses, settings: Bootstrap, stream: str) -> tuple[dict[str, Estimate], Estimate]:
    """exp(total nats / total tokens) of each arm, and tuned's over prompted's, from one bootstrap over the same chats."""
    rows = np.column_stack([losses.nll, losses.tokens])
    whole, samples = rows.sum(axis=0), sum(settings.totals(rows, losses.characters, stream).values())
    arms = {arm: settings.around(np.exp(whole[i] / whole[-1]), np.exp(samples[:, i] / samples[:, -1])) for i, arm in enumerate(ARMS)}
    ratio = settings.around(np.exp((whole[1] - whole[0]) / whole[-1]), np.exp((samples[:, 1] - samples[:, 0]) / samples[:, -1]))
    return arms, ratio


def gold_replies(chats: Iterable[dict]) -> list[Gold]:
    """The words of each reply, chat by chat in order of their ids."""
    return [Gold(chat["character"], tuple(words(reply) for reply in spoken(chat, "gpt"))) for chat in sorted(chats, key=lambda chat: chat["id"])]


def lengths(exchanges: Sequence[Exchange], gold: Sequence[Gold], settings: Bootstrap) -> tuple[dict[str, Estimate], Estimate | None]:
    """Mean words of each arm's answers and of the gold's replies, and how much further from the gold tuned is than prompted.

    The last, |tuned - gold| - |prompted - gold| in words, is below 0 where tuned is nearer. Each character's distance is taken from
    the character's own gold, and they are averaged by prompts: one character's long answers do not make up for another's short ones.
    Answers are drawn by prompt, the same prompts for both arms; gold replies by chat, for replies of one chat are alike.
    Without an exchange there is only the gold's mean. Raises UserError where a character has answers and no gold.
    """
    owners = np.array([chat.character for chat in gold])
    replies = np.array([[sum(chat.words), len(chat.words)] for chat in gold], dtype=float)
    gold_totals = settings.totals(replies, owners, "gold")
    gold_whole, gold_samples = replies.sum(axis=0), sum(gold_totals.values())
    means = {"gold": settings.around(gold_whole[0] / gold_whole[1], gold_samples[:, 0] / gold_samples[:, 1])}
    if not exchanges:
        return means, None
    asked = np.array([exchange.character for exchange in exchanges])
    answers = np.array([[exchange.answers[arm].words for arm in ARMS] for exchange in exchanges], dtype=float)
    answer_totals = settings.totals(answers, asked, "words")
    for i, arm in enumerate(ARMS):
        means[arm] = settings.around(answers[:, i].mean(), sum(answer_totals.values())[:, i] / len(answers))
    gap, gaps = 0.0, 0.0
    for character, totals in answer_totals.items():
        if character not in gold_totals:
            raise UserError(f"answers: {character} is asked and has no test chat; run the answer stage again")
        said, own, drawn = answers[asked == character], replies[owners == character].sum(axis=0), gold_totals[character]
        share = len(said) / len(answers)
        gap += share * _further(said.mean(axis=0), own[0] / own[1])
        gaps += share * _further(totals / len(said), drawn[:, 0] / drawn[:, 1])
    return means, settings.around(gap, gaps)


def _further(means: np.ndarray, gold: np.ndarray | float) -> np.ndarray:
    """How much further from the gold tuned's mean is than prompted's; the arms are the last axis of `means`."""
    return np.abs(means[..., 1] - gold) - np.abs(means[..., 0] - gold)


def score(test: Losses, validation: Losses, exchanges: Sequence[Exchange], gold: Sequence[Gold], settings: Bootstrap) -> Scores:
    """Every figure of the evaluation by its name in metrics/evaluate.json, but for those of which nothing was measured."""
    evaluation = [exchange for exchange in exchanges if exchange.set == "evaluation"]
    redteam = [exchange for exchange in exchanges if exchange.set == "redteam"]
    perplexities, ratio = perplexity(test, settings, "test")
    validations = perplexity(validation, settings, "validation")[0] if validation.ids else {}
    means, nearer = lengths(evaluation, gold, settings)
    kept = {arm: [not e.answers[arm].broke for e in evaluation] for arm in ARMS}
    broken = {arm: [e.answers[arm].broke for e in redteam] for arm in ARMS}
    result: dict[str, Estimate | int | None] = {}
    for arm in ARMS:
        answers = [exchange.answers[arm] for exchange in exchanges]
        result |= {
            f"{arm}.perplexity": perplexities[arm],
            f"{arm}.validation_perplexity": validations.get(arm),
            f"{arm}.in_character_rate": settings.rate(kept[arm]),
            f"{arm}.redteam_break_rate": settings.rate(broken[arm]),
            f"{arm}.mean_words": means.get(arm),
            f"{arm}.cut_off_rate": settings.rate([answer.cut_off for answer in answers]),
            f"{arm}.empty_rate": settings.rate([answer.words == 0 for answer in answers]),
        }
    result |= {
        "gold.mean_words": means["gold"],
        "tuned_vs_prompted.perplexity_ratio": ratio,
        "tuned_vs_prompted.in_character_rate": settings.difference(kept),
        "tuned_vs_prompted.redteam_break_rate": settings.difference(broken),
        "tuned_vs_prompted.words_from_gold": nearer,
        "test.chats": len(test.ids),
        "test.tokens": int(test.tokens.sum()),
        "validation.chats": len(validation.ids),
        "validation.tokens": int(validation.tokens.sum()),
        "evaluation.prompts": len(evaluation),
        "redteam.prompts": len(redteam),
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
