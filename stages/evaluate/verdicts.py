"""Which differences between the arms are real: the interval of the difference decides, not the two arms' own intervals."""

from __future__ import annotations

from dataclasses import dataclass

from stages.evaluate.intervals import Estimate
from stages.evaluate.scores import Scores

# Below ten chats or conversations a percentile bootstrap's interval is much too short (with n equal figures it has no width at
# all), so nothing is called real.
FEW = 10


@dataclass(frozen=True)
class Measure:
    """A measure on which tuned is compared with another arm."""

    difference: str
    """The difference is `tuned_vs_AGAINST.DIFFERENCE` in metrics/evaluate.json."""
    words: str
    """What tuned is better or worse at."""
    lower_is_better: bool
    counts: tuple[str, ...]
    """The metrics that say on how many it is measured; the least of them counts."""
    none: float = 0.0
    """The difference that means none."""
    against: str = "prompted"
    p: str = ""
    """The metric with the p-value of a permutation test of "tuned is lower", where there is one: it is exact, and decides in the interval's place."""


MEASURES = (
    Measure("perplexity_ratio", "perplexity", True, ("test.chats",), none=1.0),
    Measure("in_character_rate", "staying in character", False, ("evaluation.prompts",)),
    Measure("redteam_break_rate", "holding out under attack", True, ("redteam.conversations",)),
    Measure("words_from_gold", "length", True, ("evaluation.prompts", "test.chats")),
    Measure("voice_delta", "voice", True, ("voice.prompts",), p="voice_p"),
    Measure("world_correct_rate", "facts of the book", False, ("world.facts",)),
    Measure("world_deflected_rate", "turning away what nobody in the book can know", False, ("world.unknowables",)),
    Measure("self_bleu", "variety", True, ("evaluation.prompts",)),
    Measure("repetition_rate", "not going in circles", True, ("evaluation.answers",)),
    Measure("copied_rate", "speaking in words of its own", True, ("evaluation.answers",)),
    Measure("plain_rate", "plain questions", False, ("plain.questions",), against="base"),
)


@dataclass(frozen=True)
class Verdict:
    """What one difference says about tuned: "better", "worse", "open" (the interval holds no difference) or "few"."""

    state: str
    difference: Estimate
    count: int


def verdict(difference: Estimate, none: float, lower_is_better: bool, count: int) -> Verdict:
    """Judge a difference of tuned from another arm, `none` being the value that means no difference, over `count` chats or conversations."""
    if count < FEW:
        return Verdict("few", difference, count)
    if difference.lower <= none <= difference.upper:
        return Verdict("open", difference, count)
    return Verdict("better" if (difference.value < none) == lower_is_better else "worse", difference, count)


def verdicts(scores: Scores, confidence: float) -> dict[str, Verdict]:
    """The verdicts of MEASURES by their `difference`, in their order, of those that were measured."""
    found = {}
    for measure in MEASURES:
        pair = f"tuned_vs_{measure.against}"
        if difference := scores.get(f"{pair}.{measure.difference}"):
            count = min(scores[name] for name in measure.counts)
            judged = verdict(difference, measure.none, measure.lower_is_better, count)
            if measure.p and judged.state != "few":
                p, half = scores[f"{pair}.{measure.p}"], (1 - confidence) / 2  # in either direction with half of what may be wrong, as the intervals have it
                judged = Verdict("better" if p <= half else "worse" if p >= 1 - half else "open", difference, count)
            found[measure.difference] = judged
    return found
