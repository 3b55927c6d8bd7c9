"""Which differences between the arms are real: the interval of the difference decides, not the two arms' own intervals."""

from __future__ import annotations

from dataclasses import dataclass

from stages.evaluate.intervals import Estimate
from stages.evaluate.scores import Scores

# Below ten chats or conversations a percentile bootstrap's interval is much too short (with n equal figures it has no width at
# all), so nothing is called real.
FEW = 10


@dataclass(frozen=True)
class Verdict:
    """What one difference says about tuned: "better", "worse", "open" (the interval holds no difference) or "few"."""

    state: str
    difference: Estimate
    count: int


def verdict(difference: Estimate, none: float, lower_is_better: bool, count: int) -> Verdict:
    """Judge a difference of tuned from prompted, `none` being the value that means no difference, over `count` chats or conversations."""
    if count < FEW:
        return Verdict("few", difference, count)
    if difference.lower <= none <= difference.upper:
        return Verdict("open", difference, count)
    return Verdict("better" if (difference.value < none) == lower_is_better else "worse", difference, count)


def verdicts(scores: Scores) -> dict[str, Verdict]:
    """The four differences that the page speaks about, by metric."""
    return {
        "perplexity_ratio": verdict(scores["tuned_vs_prompted.perplexity_ratio"], 1.0, True, scores["test.chats"]),
        "in_character_rate": verdict(scores["tuned_vs_prompted.in_character_rate"], 0.0, False, scores["evaluation.prompts"]),
        "redteam_break_rate": verdict(scores["tuned_vs_prompted.redteam_break_rate"], 0.0, True, scores["redteam.conversations"]),
        "words_from_gold": verdict(scores["tuned_vs_prompted.words_from_gold"], 0.0, True, min(scores["evaluation.prompts"], scores["test.chats"])),
    }
