"""What more chats would bring: a straight line through a metric against the logarithm of the number of training chats, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt
from statistics import NormalDist

from stages.evaluate.intervals import Estimate

YES, NO, OPEN = "yes", "no", "cannot tell"
LEAST = 3  # sizes: two always lie on a line


@dataclass(frozen=True)
class Trend:
    """figure = level + slope * (ln chats - middle); errors are standard errors, those of level and slope independent of each other."""

    level: float
    slope: float
    middle: float
    level_error: float
    slope_error: float
    widened: float
    """By what factor the errors are widened, for the points scatter more than their intervals say; 1 where they do not."""
    z: float
    """So many standard errors are half an interval."""

    def at(self, chats: float) -> Estimate:
        """The figure on the line, with an interval."""
        away = log(chats) - self.middle
        value = self.level + self.slope * away
        half = self.z * sqrt(self.level_error**2 + (away * self.slope_error) ** 2)
        return Estimate(value, value - half, value + half)

    def change(self, chats: float, more: float) -> Estimate:
        """What the line changes by from `chats` to `more` of them beyond, with an interval: the slope's alone."""
        step = log((chats + more) / chats)
        return Estimate(self.slope * step, *(step * (self.slope + sign * self.z * self.slope_error) for sign in (-1, 1)))


def fit(chats: Sequence[int], figures: Sequence[Estimate], confidence: float) -> Trend:
    """The line of weighted least squares. Raises ValueError, in words, where the points do not carry one.

    Learning curves are close to a power law of the number of examples, between too few of them and an end that no number gets below (Hestness et al. 2017,
    https://arxiv.org/abs/1712.00409); over a small range that is straight against the logarithm. Each point weighs 1/error^2, its error being half
    its interval over z (Press et al., Numerical Recipes, 3rd ed., section 15.2). Where chi^2 is above its degrees of freedom the errors are multiplied
    by sqrt(chi^2 / (points - 2)) (Birge 1932, https://doi.org/10.1103/PhysRev.40.207; the scale factor of the Particle Data Group): training's own chance is in no interval.
    """
    if (sizes := len(set(chats))) < LEAST:
        raise ValueError(f"{sizes} {'number' if sizes == 1 else 'numbers'} of training chats make no trend; it takes {LEAST}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    errors = [(figure.upper - figure.lower) / (2 * z) for figure in figures]
    if min(errors) <= 0:
        raise ValueError("a figure's interval has no width, so that nothing says how sure it is")
    weights = [1 / error**2 for error in errors]
    whole, at = sum(weights), [log(number) for number in chats]
    middle = sum(weight * x for weight, x in zip(weights, at, strict=True)) / whole
    level = sum(weight * figure.value for weight, figure in zip(weights, figures, strict=True)) / whole
    spread = sum(weight * (x - middle) ** 2 for weight, x in zip(weights, at, strict=True))
    slope = sum(weight * (x - middle) * figure.value for weight, x, figure in zip(weights, at, figures, strict=True)) / spread
    chi = sum(weight * (figure.value - level - slope * (x - middle)) ** 2 for weight, x, figure in zip(weights, at, figures, strict=True))
    widened = max(1.0, sqrt(chi / (len(chats) - 2)))
    return Trend(level, slope, middle, widened / sqrt(whole), widened / sqrt(spread), widened, z)


def worth(change: Estimate, better: str | None, noise: float) -> str:
    """YES where the change is a gain by its whole interval, and larger than what training seeds alone make (`noise`, as tools.compare has it); NO where
    the most that the interval allows is no gain, or no larger one; else OPEN, as where neither way is `better`."""
    if better not in ("lower", "higher"):
        return OPEN
    sign = 1 if better == "higher" else -1
    least, most = sorted((sign * change.lower, sign * change.upper))
    return YES if least > 0 and sign * change.value > noise else NO if most <= noise else OPEN
