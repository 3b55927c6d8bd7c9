"""What people prefer, blind: win rate and sign test, the rubric's aspects, how far the raters agree, and how many votes it would take to tell.

Votes on one prompt are no independent trials, nor are five raters five times the prompts: a prompt is one trial, won by the arm that more of its raters prefer.
With one rater that is each vote. The win rate is the mean over all votes, with the interval that so many trials as there are prompts give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from stages.evaluate import krippendorff
from stages.evaluate.holm import holm
from stages.evaluate.intervals import Estimate, wilson
from stages.evaluate.ratings import Vote
from stages.evaluate.rubric import ASPECTS
from stages.evaluate.scores import Bootstrap
from stages.evaluate.sign_flips import sign_flips
from stages.evaluate.sign_test import sign_test, votes_needed
from stages.evaluate.verdicts import FEW

Figures = Mapping[str, "Estimate | int | float"]


@dataclass(frozen=True)
class Preferences:
    """What is known of two arms: the figures, and how many files of ratings were of other answers than these, or of other arms, and so not counted."""

    arms: tuple[str, str]
    figures: Figures
    other_answers: int = 0
    other_arms: int = 0


def pair_name(arms: tuple[str, str]) -> str:
    """The second against the first, as metrics name it: tuned_vs_prompted."""
    return f"{arms[1]}_vs_{arms[0]}"


def figures(votes: Sequence[Vote], arms: tuple[str, str], settings: Bootstrap) -> Figures:
    """Every figure of the votes, which are in order of their prompts, by its name; none without a vote. With PAIR as `pair_name` gives it:

    - `PAIR.human_win_rate`: of the second arm, a tie or both bad counting half; Wilson's interval of as many trials as there are prompts.
    - `PAIR.human_p`: of the exact sign test over the prompts; `PAIR.human_wins`, `human_ties`, `human_losses`: prompts for the second arm, undecided, for the first.
    - `PAIR.human_votes_needed`: prompts with a decision that the sign test would need to see a difference as large in 80 % of studies; left out where no number is known.
    - `PAIR.human_both_bad_rate`: the share of votes; its interval as that of the win rate.
    - `ARM.human_ASPECT`: the mean score, 1 to 5; `PAIR.human_ASPECT` the second's minus the first's, both with a bootstrap by prompt; `PAIR.human_ASPECT_p` of the exact
      randomisation test by prompt, by Holm's method over the aspects.
    - `human.preferred_alpha` and `human.ASPECT_alpha`: Krippendorff's alpha, nominal of the votes and ordinal of the scores, where two raters or more rated a prompt.
    - `human.votes`, `human.prompts`, `human.raters`.
    """
    if not votes:
        return {}
    first, second = arms
    pair = pair_name(arms)
    prompts = [list(group) for _, group in groupby(votes, key=lambda vote: (vote.prompt, vote.character))]

    def each(count: Callable[[Vote], float]) -> list[float]:
        return [sum(map(count, own)) for own in prompts]

    net = each(lambda vote: (vote.preferred == second) - (vote.preferred == first))
    wins, losses = sum(one > 0 for one in net), sum(one < 0 for one in net)
    result: dict[str, Estimate | int | float] = {
        f"{pair}.human_win_rate": _rate(len(votes) / 2 + sum(net) / 2, len(votes), len(prompts), settings),
        f"{pair}.human_p": sign_test(wins, losses),
        f"{pair}.human_wins": wins,
        f"{pair}.human_ties": len(prompts) - wins - losses,
        f"{pair}.human_losses": losses,
        f"{pair}.human_both_bad_rate": _rate(sum(vote.preferred == "both_bad" for vote in votes), len(votes), len(prompts), settings),
    }
    if needed := votes_needed(wins, losses, settings.confidence):
        result[f"{pair}.human_votes_needed"] = needed
    result |= _aspects(prompts, arms, settings)
    result |= _agreement(prompts, arms, settings)
    return result | {"human.votes": len(votes), "human.prompts": len(prompts), "human.raters": len({vote.rater for vote in votes})}


def _rate(count: float, votes: int, trials: int, settings: Bootstrap) -> Estimate:
    return wilson(count / votes * trials, trials, settings.confidence)


def _aspects(prompts: Sequence[Sequence[Vote]], arms: tuple[str, str], settings: Bootstrap) -> Figures:
    result: dict[str, Estimate | float] = {}
    chances = []
    whose = [own[0].character for own in prompts]
    for aspect in ASPECTS:
        rows = np.array([[*(sum(vote.scores[arm][aspect] for vote in own) for arm in arms), len(own)] for own in prompts], dtype=float)
        whole, samples = rows.sum(axis=0), sum(settings.totals(rows, whose, "human").values())
        for place, arm in enumerate(arms):
            result[f"{arm}.human_{aspect}"] = settings.around(whole[place] / whole[2], samples[:, place] / samples[:, 2])
        change, changes = (whole[1] - whole[0]) / whole[2], (samples[:, 1] - samples[:, 0]) / samples[:, 2]
        result[f"{pair_name(arms)}.human_{aspect}"] = settings.around(change, changes)
        chances.append(sign_flips([int(row[1] - row[0]) for row in rows]))
    return result | {f"{pair_name(arms)}.human_{aspect}_p": p for aspect, p in zip(ASPECTS, holm(chances), strict=True)}


def _agreement(prompts: Sequence[Sequence[Vote]], arms: tuple[str, str], settings: Bootstrap) -> Figures:
    """Alphas, where there are any."""
    choices = (*arms, "tie", "both_bad")
    of_votes = [[choices.index(vote.preferred) for vote in own] for own in prompts]
    found = {"preferred": _alpha(of_votes, "nominal", settings)}
    for aspect in ASPECTS:
        found[aspect] = _alpha([[vote.scores[arm][aspect] for vote in own] for own in prompts for arm in arms], "ordinal", settings)
    return {f"human.{name}_alpha": alpha for name, alpha in found.items() if alpha is not None}


def _alpha(items: Sequence[Sequence[int]], level: krippendorff.Level, settings: Bootstrap) -> Estimate | None:
    return krippendorff.estimate(items, level, settings.bootstrap, settings.confidence, np.random.default_rng([settings.seed, *b"alpha"]))


def verdict(preferences: Preferences, settings: Bootstrap) -> str:
    """ "none" without a vote, "better" or "worse" where the sign test finds the second arm so, else "open": not enough votes to tell."""
    found, pair = preferences.figures, pair_name(preferences.arms)
    if not found:
        return "none"
    if found["human.prompts"] < FEW or found[f"{pair}.human_p"] > 1 - settings.confidence:
        return "open"
    return "better" if found[f"{pair}.human_wins"] > found[f"{pair}.human_losses"] else "worse"
