"""What the character's words look like before and after the filter: how long the replies are, how varied, and which words come too often."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log, sqrt

from stages.common.distinct import distinct
from stages.common.whole_words import words_of

# Fixed bins, so that two runs can be laid over each other; the last one is open. 120 words is filter.max_words.
BIN_WORDS = 10
LAST_BIN = 120
EDGES = tuple(range(0, LAST_BIN + 1, BIN_WORDS))

PRIOR_WORDS = 1000
# Distinct-n settles long before a sample of 5,000 chats is read (1 million words: 6 s, 250 MB), word rates a little later.
VARIETY_WORDS = 200_000
RATE_WORDS = 1_000_000
# One-sided 99.9 % of a normal distribution: of 3,000 words that are used alike, three would pass.
SURE = 3.09


@dataclass(frozen=True)
class Lengths:
    """How long the replies are, by white space."""

    shares: tuple[float, ...]
    """Of all replies, those with as many words as lie in each bin; the bins begin at EDGES."""
    mean: float
    """Words."""
    replies: int


@dataclass(frozen=True)
class Variety:
    """Distinct-1, -2 and -3: different n-grams over all n-grams, in that many words of each."""

    words: int
    before: tuple[float, float, float]
    after: tuple[float, float, float]


@dataclass(frozen=True)
class Overused:
    """A word that comes more often here than in the gold."""

    word: str
    here: float
    """Times in 1,000 words."""
    gold: float
    ratio: float
    """Of the two rates, each drawn towards the rate in both together, so that a word that the gold lacks has a ratio too."""


def lengths(replies: Sequence[str]) -> Lengths | None:
    """None where there is no reply."""
    if not replies:
        return None
    counts = [len(reply.split()) for reply in replies]
    bins = Counter(min(count // BIN_WORDS * BIN_WORDS, LAST_BIN) for count in counts)
    return Lengths(tuple(bins[edge] / len(counts) for edge in EDGES), sum(counts) / len(counts), len(counts))


def variety(before: Sequence[str], after: Sequence[str]) -> Variety | None:
    """Both measured in equally many words, for distinct-n falls with the amount of text: drawn at random, VARIETY_WORDS of them at most.

    None where one is empty.
    """
    drawn = [_drawn(replies, VARIETY_WORDS) for replies in (before, after)]
    words = min(sum(map(len, replies)) for replies in drawn)
    if not words:
        return None
    one, other = (_distinct(_first(replies, words)) for replies in drawn)
    return Variety(words, one, other)


def _distinct(replies: Sequence[Sequence[str]]) -> tuple[float, float, float]:
    one, two, three = (1.0 if (found := distinct(replies, size)) is None else found for size in (1, 2, 3))
    return one, two, three


def overused(here: Sequence[str], gold: Sequence[str], limit: int = 30) -> list[Overused]:
    """The words that replies use more often than the gold does, the surest first; none where one of the two is empty.

    Log-odds ratio with an informative Dirichlet prior, ranked by its z-score: Monroe, Colaresi and Quinn 2008, Fightin' Words (Political Analysis 16(4),
    372-403, https://doi.org/10.1093/pan/mpn018), equations 16, 20 and 22. The prior is PRIOR_WORDS words with the frequencies of both texts together, so a word
    that came once or twice is near no difference, and only words whose z-score is above SURE are told. `here` should not hold the gold itself.
    """
    one, other = (Counter(word for words in _drawn(replies, RATE_WORDS) for word in words) for replies in (here, gold))
    many, few = one.total(), other.total()
    if not many or not few:
        return []
    found = []
    for word, count in one.items():
        prior = PRIOR_WORDS * (count + other[word]) / (many + few)
        ours, theirs = count + prior, other[word] + prior
        all_ours, all_theirs = many + PRIOR_WORDS, few + PRIOR_WORDS
        if ours >= all_ours or theirs >= all_theirs:  # one word is all that is said
            continue
        surprise = (log(ours / (all_ours - ours)) - log(theirs / (all_theirs - theirs))) / sqrt(1 / ours + 1 / theirs)
        if surprise > SURE:
            found.append((-surprise, word, Overused(word, 1000 * count / many, 1000 * other[word] / few, ours / all_ours / (theirs / all_theirs))))
    return [told for _, _, told in sorted(found, key=lambda one: one[:2])[:limit]]


def _drawn(replies: Sequence[str], words: int) -> list[list[str]]:
    """Replies as words, up to that many, in an order that looks random and depends on nothing but how many replies there are."""
    order = list(range(len(replies)))
    random.Random(0).shuffle(order)
    return _first((words_of(replies[place]) for place in order), words)


def _first(replies: Iterable[list[str]], words: int) -> list[list[str]]:
    """As many replies as make up that many words, the last one cut."""
    taken = []
    for reply in replies:
        taken.append(reply[:words])
        words -= len(reply)
        if words <= 0:
            break
    return taken
