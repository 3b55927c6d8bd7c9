"""Which of two is preferred: win rate, exact sign test, and how many votes a difference as large as the one seen would need.

A vote is for one or the other, or a tie. Votes must be independent trials: of several on one prompt make one first.
"""

from __future__ import annotations

from math import ceil, comb, sqrt
from statistics import NormalDist

import numpy as np

from stages.evaluate.intervals import Estimate, wilson

POWER = 0.8
MOST = 10_000
"""Votes beyond which nobody counts: a share of wins nearer to a half than 0.514 would need more."""


def win_rate(wins: int, ties: int, losses: int, confidence: float) -> Estimate:
    """The share of votes won, where a tie counts half, with Wilson's interval.

    Half points vary less than whole ones, so with ties the interval is wider than it must be, never narrower. Raises ValueError without a vote.
    """
    return wilson(wins + ties / 2, wins + ties + losses, confidence)


def sign_test(wins: int, losses: int) -> float:
    """How likely so unequal a vote, to either side, is where both are as good: the exact two-sided p-value, ties left out; 1 without a vote.

    Arbuthnot 1710; Conover 1999, Practical Nonparametric Statistics, section 3.4. A tie speaks for neither side, and leaving it out keeps the test exact.
    """
    votes, fewer = wins + losses, min(wins, losses)
    return min(1.0, 2 * sum(comb(votes, k) for k in range(fewer + 1)) / 2**votes)  # whole numbers, divided once


def votes_needed(wins: int, losses: int, confidence: float, power: float = POWER) -> int | None:
    """Votes without ties at which the sign test finds a true share of wins as large as the one seen with a probability of `power`, at the level 1 - `confidence`.

    Exact, by the binomial distribution. With more votes the power does not rise evenly, because the test's level moves in steps; this is the number from which on
    it never falls below `power` again: 210 for 60 %, 97 for 65 %, 54 for 70 %, 35 for 75 %. It says how large a study would have to be where the share seen is the
    true one, which is less sure the fewer the votes are. None where both have as many, without a vote, and where it would be more than MOST.
    """
    if wins == losses:
        return None
    share = max(wins, losses) / (wins + losses)
    normal = NormalDist()
    about = ((normal.inv_cdf((1 + confidence) / 2) / 2 + normal.inv_cdf(power) * sqrt(share * (1 - share))) / (share - 0.5)) ** 2
    if about > MOST:
        return None
    # One vote more in the critical region is 1 / (share - 1/2) votes more in all: the exact figure lies that near.
    votes = ceil(about + 4 / (share - 0.5)) + 20
    logarithms = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, votes + 1)))))  # of the factorials
    while votes and _power(votes, share, 1 - confidence, logarithms) >= power:
        votes -= 1
    return votes + 1


def _power(votes: int, share: float, level: float, logarithms: np.ndarray) -> float:
    """The probability that the sign test of so many votes finds a true share: that one side has few enough."""
    fewer = np.arange((votes + 1) // 2)
    ways = logarithms[votes] - logarithms[fewer] - logarithms[votes - fewer]
    found = fewer[2 * np.cumsum(np.exp(ways - votes * np.log(2))) <= level * (1 + 1e-12)]
    if share == 1:
        return float(len(found) > 0)
    one, other = np.log(share), np.log1p(-share)
    return float(np.exp(ways[found] + found * one + (votes - found) * other).sum() + np.exp(ways[found] + found * other + (votes - found) * one).sum())
