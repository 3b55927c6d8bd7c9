"""Where phrases of a list stand in what somebody says: lists of hundreds of phrases, found without going through the list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property


class Said:
    """Texts, each a list of words in normal form, as lists of phrases look at them; what several lists need is worked out once."""

    def __init__(self, texts: Sequence[Sequence[str]]):
        self.texts = texts

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Their words, each once."""
        return frozenset().union(*self.texts)

    @cached_property
    def spaced(self) -> str:
        """Their words with two blanks between, of which each takes one with it: so a phrase that follows itself is counted twice."""
        return "\n".join(f" {'  '.join(text)} " for text in self.texts)


class Phrases:
    """Phrases of one or more words in normal form (`chats.normal`), found by their longest word: a text that has not the word has not the phrase."""

    def __init__(self, phrases: Iterable[str]):
        self._by_word: dict[str, list[str]] = {}
        for phrase in phrases:
            self._by_word.setdefault(max(phrase.split(), key=len), []).append(phrase)
        self._words = frozenset(self._by_word)

    def count(self, said: Said) -> Counter[str]:
        """How often each phrase stands in the texts. No phrase reaches over the end of a text."""
        there = self._words & said.vocabulary
        if not there:
            return Counter()
        counts = {phrase: said.spaced.count(f" {phrase.replace(' ', '  ')} ") for word in there for phrase in self._by_word[word]}
        return Counter({phrase: counts[phrase] for phrase in sorted(counts) if counts[phrase]})
