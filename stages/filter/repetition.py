"""Words that come again: inside a reply, between the turns of a chat, in what the visitor says.

Gopher (Rae et al. 2021, https://arxiv.org/abs/2112.11446, table A1) measures web pages, and drops one by any of thirteen shares: of lines (0.30) and
paragraphs (0.30) that stood before, of the characters in them (0.20, 0.20), of the characters in its most frequent run of 2, 3, 4 words (0.20, 0.18, 0.16),
and of those in runs of 5 to 10 words that stand more than once (0.15, 0.14, ... 0.10). A reply of 15 to 120 words is another thing:

- It has one paragraph and no lines, so its sentences are what may stand again; they are few, so their words are counted, by Gopher's figure for characters.
- Two words said twice are a fifth of 20 words and good style. Of a most frequent run is only asked from the third time on, see `loop_share`.
- Of the runs of 5 to 10 words only those of 5 are counted: a run of 10 that stands twice is two of 6 runs of 5, and its 20 words are over 0.15 of any reply
  up to 133 words. Gopher's falling figures for 6 to 10 words matter in long pages.
- Shares are of words, not of characters, so that long words weigh no more than short ones.

The largest shares in this project's 1,090 gold replies (15 to 96 words): sentences 0.0, a run of 2, 3, 4 words said three times 0.176, 0.118, 0.158,
runs of 5 words 0.137; between a reply and an earlier turn 0.098; between two turns of the visitor's 0.137.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence, Set

from stages.common.chats import normal
from stages.common.repeated_runs import RUN, repeated_share
from stages.filter.talk import Drop, Limits, Talk

LOOP = 0.25
"""Share of a reply's words that one short phrase may take when it stands three times or more; Gopher: 0.16 to 0.20 from the second time on; the gold's largest is 0.176."""
SHORT = 4
"""Words of a turn of the visitor's that may be said twice."""
_SENTENCE_END = re.compile(r"[.!?…。！？\n]")


def in_reply(talk: Talk, limits: Limits) -> Drop | None:
    """A reply says the same again: a sentence or line, a run of words, a short phrase in a loop.

    What stands again has pairs of words that stand again; a reply with too few of those, as most have, is looked at no longer. With `again` such pairs, repeated
    sentences have 2 x again words at most (of two words, one pair is again), a loop has 2 x again + 2 (its first time too), and a repeated run of 5 words has 4.
    """
    for reply, words, pairs in zip(talk.replies, talk.reply_words, talk.pairs[1::2], strict=True):
        count = len(words)
        again = count - 1 - len(pairs)
        if 2 * again > limits.max_repeated_lines * count and (share := repeated_lines(reply, count)) > limits.max_repeated_lines:
            return Drop("repetition.lines", round(share, 3), limits.max_repeated_lines)
        if again >= RUN - 1 and (share := repeated_share(words)) > limits.max_repeated_in_reply:
            return Drop("repetition.in_reply", round(share, 3), limits.max_repeated_in_reply)
        if 2 * again + 2 > LOOP * count and (share := loop_share(words)) > LOOP:
            return Drop("repetition.loop", round(share, 3), LOOP)
    return None


def across_turns(talk: Talk, limits: Limits) -> Drop | None:
    """A reply repeats an earlier turn of the chat, the character's own or the visitor's.

    It can be alike to one earlier turn only if it shares pairs of words with all of them together: that is asked first.
    """
    limit = limits.max_repeated_across_turns
    known: set[tuple[str, str]] = set()
    for number, (words, pairs) in enumerate(zip(talk.turns, talk.pairs, strict=True)):
        if number % 2 and may_share(words, pairs, known, limit) and (worst := most_alike(talk.turns, number, range(number))) > limit:
            return Drop("repetition.across_turns", round(worst, 3), limit)
        known |= pairs
    return None


def asked_again(talk: Talk, limits: Limits) -> Drop | None:
    """The visitor says nearly the same in two turns. Short turns ("Why?", "And what then, sir?") may come again."""
    limit = limits.max_repeated_asked
    known: set[tuple[str, str]] = set()
    long = [number for number in range(0, len(talk.turns), 2) if len(talk.turns[number]) > SHORT]
    for place, number in enumerate(long):
        pairs = talk.pairs[number]
        if may_share(talk.turns[number], pairs, known, limit) and (worst := most_alike(talk.turns, number, long[:place])) > limit:
            return Drop("repetition.asked", round(worst, 3), limit)
        known |= pairs
    return None


def may_share(words: Sequence[str], pairs: Set[tuple[str, str]], known: Set[tuple[str, str]], limit: float) -> bool:
    """Whether more than `limit` of a turn's trigrams can stand in turns whose pairs of words are `known`; True for one of fewer than three words.

    A shared trigram begins with a shared pair, at a place of its own: there are as many at most as shared pairs and pairs that stand again. And each pair but
    the last begins a trigram of its own: there are as many trigrams at least.
    """
    again = len(words) - 1 - len(pairs)
    return len(words) < 3 or len(pairs & known) + again > limit * (len(pairs) - 1)


def most_alike(turns: Sequence[Sequence[str]], number: int, earlier: Iterable[int]) -> float:
    """The largest Jaccard similarity of a turn's trigrams with those of earlier turns; with a turn of fewer than three words 1.0 if equal, else 0.0."""
    return max((overlap(turns[number], turns[other]) for other in earlier), default=0.0)


def repeated_lines(text: str, count: int) -> float:
    """The share of a text's words, `count` in normal form, in sentences or lines of two words or more that stood before in it."""
    seen: set[str] = set()
    repeated = 0
    for sentence in _SENTENCE_END.split(text):
        said = normal(sentence)
        if said in seen:
            repeated += said.count(" ") + 1
        elif " " in said:
            seen.add(said)
    return repeated / count if count else 0.0


def loop_share(words: Sequence[str], times: int = 3) -> float:
    """The share of words that lie in the most frequent run of 2, 3 or 4 words, the largest of the three; 0.0 where none stands `times` times."""
    largest = 0.0
    for size in (2, 3, 4):
        grams = list(zip(*(words[start:] for start in range(size)), strict=False))
        (most, count), *_ = Counter(grams).most_common(1) or [((), 0)]
        if count < times:
            break  # then no longer run does either
        places = {start + offset for start, gram in enumerate(grams) if gram == most for offset in range(size)}
        largest = max(largest, len(places) / len(words))
    return largest


def overlap(left: Sequence[str], right: Sequence[str]) -> float:
    """Jaccard similarity of two texts' word trigrams; 1.0 for two equal texts of fewer than three words."""
    one, other = (set(zip(text, text[1:], text[2:], strict=False)) for text in (left, right))
    if not one or not other:
        return float(list(left) == list(right))
    return len(one & other) / len(one | other)
