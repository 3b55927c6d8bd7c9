"""General ability: whether the bare model still answers plain questions after training, or has forgotten what its base knew.

An answer counts by exact match, as in SQuAD (Rajpurkar et al. 2016, arXiv:1606.05250, section 6.1): its first line in normal form is one of the accepted answers
in normal form. The whole first line and not its first word: the questions say "with one word", and a model that wraps the word in a sentence has lost some of
the obedience that is asked for too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from stages.common.chats import normal_words
from stages.evaluate.intervals import Estimate, paired_difference, wilson

ARTICLES = ("a", "an", "the")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


def plain(text: str) -> str:
    """The first line that has words, without case, punctuation, spacing, commas in thousands and a leading article; empty where there is none."""
    for line in text.splitlines():
        if words := normal_words(_THOUSANDS.sub("", line)):
            return " ".join(words[1:] if len(words) > 1 and words[0] in ARTICLES else words)
    return ""


def right(answer: str, accepted: Sequence[str]) -> bool:
    """Whether an answer is one of those accepted."""
    return plain(answer) in {plain(one) for one in accepted}


def figures(said: Mapping[str, Sequence[str]], accepted: Sequence[Sequence[str]], confidence: float) -> dict[str, Estimate | int]:
    """`ARM.plain_rate`, the share of questions that the arm answers right, Wilson; `tuned_vs_base.plain_rate`, tuned's rate minus base's over the same
    questions, below 0 where training made it forget, Newcombe; and `plain.questions`. Empty where nothing was asked.

    `said[arm][i]` is the arm's answer to question i and `accepted[i]` what counts as right. Raises ValueError where an arm lacks one.
    """
    found = {arm: [right(answer, answers) for answer, answers in zip(given, accepted, strict=True)] for arm, given in said.items()}
    if not accepted:
        return {}
    result: dict[str, Estimate | int] = {f"{arm}.plain_rate": wilson(sum(flags), len(flags), confidence) for arm, flags in found.items()}
    if {"base", "tuned"} <= set(found):
        result["tuned_vs_base.plain_rate"] = paired_difference(found["base"], found["tuned"], confidence)
    return result | {"plain.questions": len(accepted)}
