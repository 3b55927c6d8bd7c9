"""What a win rate would be if both answers were of one length: judges are fond of long answers, whatever is in them.

After AlpacaEval 2 (Dubois et al. 2024, https://arxiv.org/abs/2404.04475): a logistic regression of who won on how much longer the one's answer was, then the
prediction for no difference. For answer pair i, with a = words of the one minus words of the other, and s the standard deviation of a over all pairs,

    logit P(the one wins) = theta + phi * tanh(a_i / s),        length-controlled win rate = 1 / (1 + exp(-theta)).

A win counts 1, a tie 1/2, a loss 0. AlpacaEval has a third term, the difficulty of an instruction, which it knows from all models of its leaderboard; two arms
cannot tell it, so it is left out. With few pairs the answers' lengths may explain everything, or one arm may win all: a bound on theta comes from one more pair,
a tie between answers of one length, and one on phi from a normal prior with a standard deviation of 2.5 (after Gelman et al. 2008,
https://doi.org/10.1214/08-AOAS191). Both are symmetric, so the rate of the other arm is 1 minus this one, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from stages.evaluate.intervals import Estimate

PRIOR = 2.5  # standard deviation of phi
STEPS, FARTHEST = 100, 2.0  # of Newton's method, and how far one goes; the function is concave, five to ten are enough
NEAR = 1e-10


def length_features(longer: Sequence[float]) -> np.ndarray | None:
    """tanh(a / s) of each pair; None where all differ by the same number of words, but not by none: then length and arm cannot be told apart."""
    apart = np.asarray(longer, dtype=float)
    spread = apart.std(ddof=1) if len(apart) > 1 else 0.0
    if spread > 0:
        return np.tanh(apart / spread)
    return np.zeros(len(apart)) if not apart.any() else None


def win_rate(points: Sequence[float], longer: Sequence[float], confidence: float) -> Estimate | None:
    """The length-controlled win rate of the one; None without a pair, and where length cannot be told from arm.

    `points[i]` is 1, 1/2 or 0 for pair i, or any mean of such; `longer[i]` is by how many words the one's answer is longer than the other's. The interval is
    theta's by its curvature (Wald), so that it has a width where one arm wins all, where a bootstrap's has none. Half points vary less than whole ones: with ties
    it is wider than it must be, never narrower.
    """
    features = length_features(longer)
    if features is None or not len(features):
        return None
    theta, error = _fitted(np.asarray(points, dtype=float), features)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * error
    return Estimate(*(float(_logistic(at)) for at in (theta, theta - half, theta + half)))


def _fitted(points: np.ndarray, features: np.ndarray) -> tuple[float, float]:
    """theta, and its standard error, by Newton's method."""
    columns = np.column_stack([np.ones(len(features)), features])
    prior = np.array([0.0, 1 / PRIOR**2])
    weights = np.zeros(2)
    for _ in range(STEPS):
        p, tie = _logistic(columns @ weights), _logistic(weights[0])
        gradient = columns.T @ (points - p) - prior * weights + [0.5 - tie, 0.0]
        curvature = columns.T @ (columns * (p * (1 - p))[:, None]) + np.diag(prior + [tie * (1 - tie), 0.0])
        step = np.linalg.solve(curvature, gradient)
        weights = weights + step / max(1.0, np.abs(step).max() / FARTHEST)
        if np.abs(step).max() < NEAR:
            break
    return float(weights[0]), float(np.sqrt(np.linalg.inv(curvature)[0, 0]))


def _logistic(x: np.ndarray | float) -> np.ndarray | float:
    return 0.5 * (1 + np.tanh(x / 2))
