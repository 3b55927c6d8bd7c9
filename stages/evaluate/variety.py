"""Variety: whether an arm says the same thing to everybody, or the same thing over and over in one reply."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from math import exp, prod

import numpy as np

from stages.common.chats import normal_words
from stages.common.distinct import distinct
from stages.common.repeated_runs import repeated_share
from stages.evaluate.equal_words import Replies, cut
from stages.evaluate.intervals import Estimate, paired_difference, wilson
from stages.evaluate.resampling import jackknife

SIZES = (1, 2, 3)
ORDER = 4
EPSILON = 0.1
"""Matches counted for an n-gram size without one: smoothing 1 of Chen and Cherry 2014 (https://aclanthology.org/W14-3346), with NLTK's figure."""
REPEATED = 0.15
"""Share of a reply's words in repeated runs above which it goes round in circles: Gopher's figure for runs of 5, and what filter drops replies by as shipped."""

Words = Sequence[Sequence[Sequence[str]]]
"""For each prompt its replies as words."""


def figures(said: Mapping[str, Replies], confidence: float) -> dict[str, Estimate]:
    """The figures of variety by name, of each arm and of tuned minus prompted; those of which nothing was measured are missing.

    - `ARM.distinct_1`, `_2`, `_3`: different n-grams over all n-grams, of answers cut to equal lengths. Interval: jackknife by prompt.
    - `ARM.self_bleu`: mean self-BLEU of the replies, cut to equal lengths: higher is less varied. It grows with the number of replies: compare arms, not runs of
      other sizes. Interval: jackknife by prompt.
    - `ARM.repetition_rate`: the share of whole replies, for loops come late, of which more than REPEATED of the words lie in runs of 5 that stand there more
      than once. Interval: Wilson, of the difference Newcombe's.
    """
    kept = cut(said)
    result: dict[str, Estimate] = {}
    measures = {f"distinct_{size}": {arm: leaving_out_distinct(replies, size) for arm, replies in kept.items()} for size in SIZES}
    measures["self_bleu"] = {arm: leaving_out_self_bleu(replies) for arm, replies in kept.items()}
    both = {"tuned", "prompted"} <= set(said)
    for metric, by_arm in measures.items():
        if None in by_arm.values():
            continue
        for arm, (whole, without) in by_arm.items():
            found = jackknife(whole, without, confidence)
            result[f"{arm}.{metric}"] = Estimate(found.value, max(found.lower, 0.0), min(found.upper, 1.0))
        if both:
            (tuned, tuned_without), (prompted, prompted_without) = by_arm["tuned"], by_arm["prompted"]
            result[f"tuned_vs_prompted.{metric}"] = jackknife(tuned - prompted, tuned_without - prompted_without, confidence)
    circles = {arm: [repeated_share(normal_words(reply)) > REPEATED for reply in chain.from_iterable(prompts)] for arm, prompts in said.items()}
    result |= {f"{arm}.repetition_rate": wilson(sum(found), len(found), confidence) for arm, found in circles.items() if found}
    if both and circles["tuned"]:
        result["tuned_vs_prompted.repetition_rate"] = paired_difference(circles["prompted"], circles["tuned"], confidence)
    return result


def leaving_out_distinct(prompts: Words, size: int) -> tuple[float, np.ndarray] | None:
    """(distinct-n of the replies to all prompts, what it is without each prompt in turn); None where that leaves no n-gram, or there are fewer than two prompts."""
    whole = distinct(list(chain.from_iterable(prompts)), size)
    alone: dict[tuple[str, ...], int] = {}  # the one prompt that has the n-gram, -1 where several have
    totals = np.zeros(len(prompts))
    for place, replies in enumerate(prompts):
        for gram in chain.from_iterable(_runs(reply, size) for reply in replies):
            totals[place] += 1
            if alone.setdefault(gram, place) != place:
                alone[gram] = -1
    if whole is None or len(prompts) < 2 or (totals == totals.sum()).any():
        return None
    owned = np.bincount([place for place in alone.values() if place >= 0], minlength=len(prompts))
    return whole, (len(alone) - owned) / (totals.sum() - totals)


def leaving_out_self_bleu(prompts: Words) -> tuple[float, np.ndarray] | None:
    """(the mean of `self_bleu`, what it is without each prompt in turn, the brevity penalties as they were); None for fewer than three prompts."""
    if len(prompts) < 3:
        return None
    scores, losses = _scores(prompts)
    own = np.array([sum(found) for found in scores])
    counts = np.array([len(found) for found in scores])
    if (counts == counts.sum()).any():
        return None
    return float(own.sum() / counts.sum()), (own.sum() - own - losses) / (counts.sum() - counts)


def self_bleu(prompts: Words) -> list[list[float]]:
    """For each reply its BLEU-4 with all other replies as references, 0 to 1 (Zhu et al. 2018, Texygen, arXiv:1802.01886): 1 for one that stands there twice.

    As NLTK's sentence_bleu with its method1: clipped counts, equal weights, the reference of the closest length for the brevity penalty, 0 for a reply without a
    word in common, EPSILON matches where an n-gram size has none. All replies are compared, none drawn, in time that grows about as their words do.
    """
    return _scores(prompts)[0]


def _scores(prompts: Words) -> tuple[list[list[float]], np.ndarray]:
    """(self-BLEU of each reply, by how much all of those to other prompts would fall if a prompt's replies were no references, for each prompt)."""
    replies = [(place, reply) for place, turns in enumerate(prompts) for reply in turns]
    grams = [[Counter(_runs(reply, size)) for size in range(1, ORDER + 1)] for _, reply in replies]
    # Who has an n-gram, the most often first: (how often, reply, prompt).
    holders: dict[tuple[str, ...], list[tuple[int, int, int]]] = defaultdict(list)
    for number, (place, _) in enumerate(replies):
        for gram, count in chain.from_iterable(counts.items() for counts in grams[number]):
            holders[gram].append((count, number, place))
    for found in holders.values():
        found.sort(key=lambda holder: -holder[0])
    lengths = Counter(len(reply) for _, reply in replies)

    scores: list[list[float]] = [[] for _ in prompts]
    losses = np.zeros(len(prompts))
    for number, (place, reply) in enumerate(replies):
        matches = [0] * ORDER
        lost: dict[int, list[int]] = defaultdict(lambda: [0] * ORDER)  # matches that only one prompt's replies give
        for size, counts in enumerate(grams[number]):
            for gram, count in counts.items():
                most, whose, left = _most(holders[gram], number)
                matches[size] += min(count, most)
                if left < min(count, most) and whose != place:
                    lost[whose][size] += min(count, most) - left
        closest = _closest(lengths, len(reply))
        score = _bleu(matches, len(reply), closest)
        scores[place].append(score)
        for other, fewer in lost.items():
            losses[other] += score - _bleu([all_ - less for all_, less in zip(matches, fewer, strict=True)], len(reply), closest)
    return scores, losses


def _most(holders: Sequence[tuple[int, int, int]], number: int) -> tuple[int, int, int]:
    """(the most that a reply but `number` has of an n-gram, the prompt of that reply, the most that one to another prompt has)."""
    most, whose = 0, -1
    for count, reply, place in holders:
        if reply == number:
            continue
        if whose < 0:
            most, whose = count, place
        elif place != whose:
            return most, whose, count
    return most, whose, 0


def _bleu(matches: Sequence[int], length: int, reference: int) -> float:
    """BLEU of a reply from its clipped matches by n-gram size, its own length and its reference's."""
    if not matches[0]:
        return 0.0
    precisions = [(found or EPSILON) / max(1, length - n) for n, found in enumerate(matches)]
    return min(1.0, exp(1 - reference / length)) * prod(precisions) ** (1 / ORDER)


def _closest(lengths: Counter[int], own: int) -> int:
    """The length of another reply that is closest to one's own; of two as close the shorter; one's own where there is no other."""
    if lengths[own] > 1:
        return own
    return min((length for length in lengths if length != own), key=lambda length: (abs(length - own), length), default=own)


def _runs(words: Sequence[str], size: int) -> zip[tuple[str, ...]]:
    return zip(*(words[start:] for start in range(size)), strict=False)
