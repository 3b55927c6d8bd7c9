"""Where phrases of a list stand in what somebody says: lists of hundreds of phrases, found without going through the list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence


class Phrases:
    """Phrases of one or more words in normal form (`chats.normal`), found by their longest word: a text that has not the word has not the phrase."""

    def __init__(self, phrases: Iterable[str]):
        self._by_word: dict[str, list[str]] = {}
        for phrase in phrases:
            self._by_word.setdefault(max(phrase.split(), key=len), []).append(phrase)
        self._words = frozenset(self._by_word)

    def count(self, texts: Sequence[Sequence[str]]) -> Counter[str]:
        """How often each phrase stands in the texts, each a list of words in normal form. No phrase reaches over the end of a text."""
        there = set().union(*(self._words.intersection(text) for text in texts))
        if not there:
            return Counter()
        # Two blanks between words, of which each takes one with it: so a phrase that follows itself is counted twice.
        said = "\n".join(f" {'  '.join(text)} " for text in texts)
        counts = {phrase: said.count(f" {phrase.replace(' ', '  ')} ") for word in there for phrase in self._by_word[word]}
        return Counter({phrase: counts[phrase] for phrase in sorted(counts) if counts[phrase]})
