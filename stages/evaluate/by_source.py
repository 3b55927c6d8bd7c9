"""Perplexity by the kind of source that a test chat has: words of a book, of a log and of hand-written gold are not equally hard, nor equally learnt."""

from __future__ import annotations

from collections.abc import Mapping

from stages.evaluate.inputs import ARMS, UNTRAINED, Losses
from stages.evaluate.intervals import Estimate
from stages.evaluate.scores import Bootstrap, perplexity


def figures(test: Losses, kinds: Mapping[str, str], settings: Bootstrap) -> dict[str, Estimate | int]:
    """`ARM.perplexity.KIND` and `tuned_vs_ARM.perplexity_ratio.KIND`, with intervals by chat as those of the whole have, and `test.chats.KIND`.

    `kinds` gives the kind of source (gold, log, import, book) of each test chat by its id. Empty where all chats have one kind: that is the whole then.
    """
    there = sorted({kinds[name] for name in test.ids})
    if len(there) < 2:
        return {}
    result: dict[str, Estimate | int] = {}
    for kind in there:
        own = test.at([place for place, name in enumerate(test.ids) if kinds[name] == kind])
        perplexities, ratios = perplexity(own, settings, f"test {kind}")
        result |= {f"{arm}.perplexity.{kind}": perplexities[arm] for arm in ARMS}
        result |= {f"tuned_vs_{arm}.perplexity_ratio.{kind}": ratios[arm] for arm in UNTRAINED}
        result[f"test.chats.{kind}"] = len(own.ids)
    return result
