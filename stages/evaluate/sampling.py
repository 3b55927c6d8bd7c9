"""What chance does to the figures when every answer is drawn again: the intervals are of other prompts and do not cover it."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import stdev

from stages.evaluate.inputs import ARMS, UNTRAINED
from stages.evaluate.intervals import Estimate
from stages.evaluate.scores import Scores

WHOSE = (*ARMS, *(f"tuned_vs_{arm}" for arm in UNTRAINED))
NOT_SAID = ("loss", "perplexity", "validation_perplexity", "perplexity_ratio")  # of the weights, not of the answers


def values(samples: Sequence[Scores]) -> dict[str, list[float]]:
    """Of each figure of an arm, or of tuned against one, its value in each sample; those of a topic or a category alone are left out."""
    found = {}
    for name in samples[0]:
        whose, _, metric = name.partition(".")
        if whose in WHOSE and "." not in metric and metric not in NOT_SAID and all(name in own for own in samples):
            found[name] = [figure.value if isinstance(figure := own[name], Estimate) else float(figure) for own in samples]
    return found


def figures(samples: Sequence[Scores]) -> dict[str, float | int]:
    """`sampling.samples`, and `sampling.NAME`: the standard deviation (n - 1) of the figure over the samples. Nothing of a single one."""
    if len(samples) == 1:
        return {}
    return {"sampling.samples": len(samples)} | {f"sampling.{name}": stdev(own) for name, own in values(samples).items()}
