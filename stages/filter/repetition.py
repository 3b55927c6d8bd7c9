"""Words that come again: inside a reply, between the turns of a chat, in what the visitor says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from stages.filter.talk import Drop, Limits, Talk


def in_reply(talk: Talk, limits: Limits) -> Drop | None:
    """A reply says the same again."""
    for words in talk.reply_words:
        if (share := repeated_share(words)) > limits.max_repeated_in_reply:
            return Drop("repetition.in_reply", round(share, 3), limits.max_repeated_in_reply)
    return None


def across_turns(talk: Talk, limits: Limits) -> Drop | None:
    """A reply repeats an earlier turn of the chat, the character's own or the visitor's."""
    said: list[list[str]] = []
    for asked, reply in zip(talk.asked_words, talk.reply_words, strict=True):
        said.append(asked)
        worst = max(overlap(reply, earlier) for earlier in said)
        if worst > limits.max_repeated_across_turns:
            return Drop("repetition.across_turns", round(worst, 3), limits.max_repeated_across_turns)
        said.append(reply)
    return None


def repeated_share(words: Sequence[str], size: int = 5) -> float:
    """The share of words that lie in n-grams of `size` words which occur more than once.

    The duplicate n-gram fraction of Gopher (Rae et al. 2021, https://arxiv.org/abs/2112.11446, table A1), over words
    instead of characters.
    """
    grams = list(zip(*(words[start:] for start in range(size)), strict=False))
    if len(set(grams)) == len(grams):
        return 0.0
    counts = Counter(grams)
    return len({i + k for i, gram in enumerate(grams) if counts[gram] > 1 for k in range(size)}) / len(words)


def overlap(left: Sequence[str], right: Sequence[str]) -> float:
    """Jaccard similarity of two texts' word trigrams; 1.0 for two equal texts of fewer than three words."""
    one, other = (set(zip(text, text[1:], text[2:], strict=False)) for text in (left, right))
    if not one or not other:
        return float(list(left) == list(right))
    return len(one & other) / len(one | other)
