"""What a rule looks at and what it answers: one chat with its words prepared once, the limits of params.yaml, a drop with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from stages.common.chats import normal_words, spoken
from stages.filter.phrases import Said


@dataclass(frozen=True)
class Limits:
    """The thresholds of params.yaml's `filter` section, under the same names."""

    min_words: int
    max_words: int
    min_asked_words: int
    max_repeated_in_reply: float
    max_repeated_lines: float
    max_repeated_across_turns: float
    max_repeated_asked: float
    max_wreckage: float
    languages: tuple[str, ...] | None
    max_anachronisms: int
    max_catch_phrases: float
    max_slop: float
    min_critique: float | None


@dataclass(frozen=True)
class Drop:
    """Why a chat goes: the rule (FAMILY.NAME), what was found (a figure or the matching words), and what would have been allowed."""

    rule: str
    found: str | float
    expected: str | float


@dataclass(frozen=True)
class Role:
    """What the rules know of a character, from the card."""

    name: str
    year: int | None = None
    """The year in which he speaks (`extensions.dramatis.year`); None where the card has none."""
    catch_phrases: tuple[str, ...] = ()
    """What he is known for and must not say all the time (`extensions.dramatis.catch_phrases`)."""


@dataclass(frozen=True)
class Talk:
    """A chat and its character; what several rules need of its words is worked out once."""

    chat: dict
    role: Role

    @cached_property
    def replies(self) -> list[str]:
        """The character's turns, in order."""
        return spoken(self.chat, "gpt")

    @cached_property
    def asked(self) -> list[str]:
        """The visitor's turns, in order."""
        return spoken(self.chat, "human")

    @cached_property
    def reply_words(self) -> list[list[str]]:
        """The words of each reply, in normal form."""
        return [normal_words(reply) for reply in self.replies]

    @cached_property
    def asked_words(self) -> list[list[str]]:
        """The words of each turn of the visitor, in normal form."""
        return [normal_words(turn) for turn in self.asked]

    @cached_property
    def turns(self) -> list[list[str]]:
        """The words of all turns, in order: the visitor's have even numbers, the character's odd ones."""
        return [words for pair in zip(self.asked_words, self.reply_words, strict=True) for words in pair]

    @cached_property
    def pairs(self) -> list[set[tuple[str, str]]]:
        """The sets of two words in a row, of each of `turns`."""
        return [set(pairwise(words)) for words in self.turns]

    @cached_property
    def said(self) -> Said:
        """The character's words, for lists of phrases to look at."""
        return Said(self.reply_words)
