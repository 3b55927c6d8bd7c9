"""Chats made to measure filter and split with: near-duplicates planted at known similarities, near-misses beside them, and no others.

A chat is a pure function of (seed, number): five exchanges, 25 to 65 words a reply and 8 to 22 a question, drawn from a vocabulary of 20,000 words whose
frequencies fall as Zipf's and Mandelbrot's law says, p(rank) ~ 1 / (rank + 4)^1.25 (Mandelbrot 1953). Exponent, offset and the lengths of the words are chosen so
that 200 words have as many different ones and as many letters as those of data/gold have, where tokenizers spend their time.
Of all chats 30 % are copies of others, 5 % near-misses; where they stand in the file is drawn, so that a pair is as a rule far apart.

Similarity is the Jaccard of the sets of word trigrams of what the character says, as stage filter defines it; here it is counted on the numbers of the words.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from stages.common.chats import chat_id

CHARACTER = "sherlock-holmes"
EXCHANGES = 5
REPLY_WORDS, ASKED_WORDS = (25, 65), (8, 22)
SENTENCE_WORDS = 11  # of a sentence, in the mean

ORIGINAL, EXACT, NEAR, MISS = range(4)
SHARES = {EXACT: 0.02, NEAR: 0.28, MISS: 0.05}  # of all chats; exact and near are the 30 % planted
BOUNDS = {NEAR: (0.8, 1.0), MISS: (0.6, 0.78)}  # of the Jaccard with the original
ASKED_ANEW = 0.5  # share of the near copies with questions of their own, so that opening and group do not give them away

# The commonest words of English in about their order (the head of the distribution); the rest is made of syllables.
COMMON = """
    the of and to a in that it he was i you his is with as for had at by on not be her which have from this but all they she we him me my one so when no are if
    there who them said an would been will were their what or has up out then could into more now upon some man do any very your little only than over down before
    about its well see must other such did time come may know after these two made good again great never here how came old can day way where much went house off
    face hand think men yet should still long might night most room too us go door first shall own say thing last nothing seemed just without through look back
""".split()
BEGINNINGS = "b br c ch cl d dr f fl g gr h l m n p pl pr qu r s sh sl st t th tr v w".split()
MIDDLES = "a e i o u ea ai oo ou".split()
ENDINGS = ["", "", *"b ck d g l ll m n nd ng nt p r rd rn s sk st t th".split()]
SUFFIXES = ["", "", "", "", "s", "y", "er", "ing", "ly", "ed"]
VOCABULARY = 20_000
LONGER = 8_000  # from this rank on words have a syllable more: the common ones are short


@dataclass(frozen=True)
class Words:
    """What is said, as numbers in `vocabulary()`: the replies one after the other, and the questions; and the lengths of each, in words."""

    said: np.ndarray
    reply_lengths: np.ndarray
    asked: np.ndarray
    asked_lengths: np.ndarray


@dataclass(frozen=True)
class Plan:
    """What each of N chats is, by its number: its kind, and the number of the original that it was made of (its own where it is one)."""

    seed: int
    kind: np.ndarray
    original: np.ndarray

    def __len__(self) -> int:
        return len(self.kind)


def plan(chats: int, seed: int = 7) -> Plan:
    """Which chats are copies, and of whom; several may be of one original."""
    draw = np.random.default_rng([seed, chats])
    order = draw.permutation(chats)
    kind, original, first = np.full(chats, ORIGINAL, np.uint8), np.arange(chats), 0
    for name, share in SHARES.items():
        kind[order[first : first + round(share * chats)]] = name
        first += round(share * chats)
    original[order[:first]] = draw.choice(order[first:], first)
    return Plan(seed, kind, original)


@cache
def vocabulary() -> list[str]:
    """VOCABULARY different words, the commonest first. No two have one normal form."""
    draw = random.Random(1)
    found = dict.fromkeys(COMMON)
    while len(found) < VOCABULARY:
        syllables = [draw.choice(part) for _ in range(1 + (len(found) >= LONGER)) for part in (BEGINNINGS, MIDDLES)]
        found["".join([*syllables, draw.choice(ENDINGS), draw.choice(SUFFIXES)])] = None
    return list(found)


@cache
def _forms() -> list[str]:
    """Each word four times: inside a sentence, first in it, last in it, alone in it."""
    words = [word if word != "i" else "I" for word in vocabulary()]
    return [*words, *(w.capitalize() for w in words), *(f"{w}." for w in words), *(f"{w.capitalize()}." for w in words)]


@cache
def _frequencies() -> np.ndarray:
    """Cumulative probabilities of the vocabulary."""
    cumulative = np.cumsum((np.arange(1, VOCABULARY + 1) + 4) ** -1.25)
    return cumulative / cumulative[-1]


def _words(draw: np.random.Generator, count: int) -> np.ndarray:
    return np.searchsorted(_frequencies(), draw.random(count), side="right")


def _questions(draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    lengths = draw.integers(ASKED_WORDS[0], ASKED_WORDS[1] + 1, EXCHANGES)
    return _words(draw, int(lengths.sum())), lengths


def _original(plan: Plan, number: int) -> Words:
    draw = np.random.default_rng([plan.seed, number])
    lengths = draw.integers(REPLY_WORDS[0], REPLY_WORDS[1] + 1, EXCHANGES)
    return Words(_words(draw, int(lengths.sum())), lengths, *_questions(draw))


def words(plan: Plan, number: int) -> Words:
    """What is said in chat `number`."""
    kind, original = int(plan.kind[number]), _original(plan, int(plan.original[number]))
    if kind in (ORIGINAL, EXACT):
        return original
    draw = np.random.default_rng([plan.seed, number])
    said = altered(original.said, draw, *BOUNDS[kind])
    asked = _questions(draw) if kind == NEAR and draw.random() < ASKED_ANEW else (original.asked, original.asked_lengths)
    return Words(said, original.reply_lengths, *asked)


def altered(said: np.ndarray, draw: np.random.Generator, least: float, most: float) -> np.ndarray:
    """A copy with words replaced, scattered ones or a run of them, so that its Jaccard with `said` is `least` or more and below `most`.

    The number of words follows from a similarity that is drawn evenly between the two: of T trigrams m change, J = (T - m) / (T + m), and a word alone changes
    three trigrams, a run of k words k + 2. Drawn again until the Jaccard, counted, is where it should be.
    """
    while True:
        aim = draw.uniform(least, most)
        trigrams = (len(said) - 2) * (1 - aim) / (1 + aim)
        if draw.random() < 0.5:
            places = draw.choice(len(said), max(1, round(trigrams / 3)), replace=False)
        else:
            run = max(1, round(trigrams - 2))
            places = draw.integers(0, len(said) - run) + np.arange(run)
        copy = said.copy()
        copy[places] = (said[places] + draw.integers(1, VOCABULARY, len(places))) % VOCABULARY  # any word but the one that stood there
        if least <= jaccard(said, copy) < most:
            return copy


def trigrams(said: np.ndarray) -> np.ndarray:
    """The set of word trigrams, each as one number, sorted."""
    said = said.astype(np.int64)
    return np.unique((said[:-2] * VOCABULARY + said[1:-1]) * VOCABULARY + said[2:])


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """The Jaccard of the trigrams of two texts, as numbers of words."""
    left, right = trigrams(one), trigrams(other)
    shared = len(np.intersect1d(left, right, assume_unique=True))
    return shared / (len(left) + len(right) - shared)


def similarity(plan: Plan, one: int, other: int) -> float:
    """The Jaccard of what the character says in two chats."""
    return jaccard(words(plan, one).said, words(plan, other).said)


def _turns(draw: np.random.Generator, said: np.ndarray, lengths: np.ndarray, asked: bool) -> list[str]:
    """Texts of these lengths, in sentences; a question is one sentence."""
    last = np.zeros(len(said), bool) if asked else draw.random(len(said)) < 1 / SENTENCE_WORDS
    ends = np.cumsum(lengths)
    last[ends - 1] = not asked
    first = np.roll(last, 1)
    first[np.concatenate([[0], ends[:-1]])] = True
    written = list(map(_forms().__getitem__, (said + VOCABULARY * (first + 2 * last)).tolist()))
    return [" ".join(written[end - length : end]) + "?" * asked for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)]


def record(plan: Plan, number: int, system: str) -> dict:
    """Chat `number` as curate would write it, with that system prompt. Equal words stand in other sentences, so that no two chats have one id."""
    content, draw = words(plan, number), np.random.default_rng([plan.seed, number, 1])
    asked = _turns(draw, content.asked, content.asked_lengths, True)
    replies = _turns(draw, content.said, content.reply_lengths, False)
    turns = [{"from": who, "value": text} for pair in zip(asked, replies, strict=True) for who, text in zip(("human", "gpt"), pair, strict=True)]
    return {
        "id": chat_id(CHARACTER, "import", turns),
        "character": CHARACTER,
        "conversations": [{"from": "system", "value": system}, *turns],
        "source": {"kind": "import", "file": "data/raw/made.jsonl", "line": number + 1, "license": "CC0-1.0"},
    }


def families(plan: Plan) -> Iterator[tuple[int, list[int]]]:
    """(original, its copies and near-misses) of each original that has any."""
    made = np.flatnonzero(plan.kind != ORIGINAL)
    made = made[np.argsort(plan.original[made], kind="stable")]
    originals, firsts = np.unique(plan.original[made], return_index=True)
    for original, members in zip(originals.tolist(), np.split(made, firsts[1:]), strict=True):
        yield original, members.tolist()
