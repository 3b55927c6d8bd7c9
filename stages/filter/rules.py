"""The rules in their order, cheapest first. Each looks at one chat and answers None (keep) or a Drop."""

from __future__ import annotations

from collections.abc import Callable

from stages.common.errors import UserError
from stages.filter import anachronism, caricature, critique, language, length, repetition, slop, speech, wreckage
from stages.filter.talk import Drop, Limits, Talk

RULES: dict[str, Callable[[Talk, Limits], Drop | None]] = {
    "near_empty": length.near_empty,
    "length": length.reply_length,
    "critique": critique.low,
    "wreckage": wreckage.wreckage,
    "language": language.language,
    "assistant_speech": speech.assistant_speech,
    "character_break": speech.character_break,
    "anachronism": anachronism.anachronism,
    "catch_phrases": caricature.catch_phrases,
    "slop": slop.slop,
    "repetition_in_reply": repetition.in_reply,
    "repetition_across_turns": repetition.across_turns,
    "repetition_asked": repetition.asked_again,
}
"""By the name under which `filter.off` leaves one out."""


def judge(talk: Talk, limits: Limits, off: frozenset[str] = frozenset()) -> Drop | None:
    """The first rule's Drop, or None. Raises UserError with rule and chat where a rule itself fails."""
    for name, rule in RULES.items():
        if name in off:
            continue
        try:
            drop = rule(talk, limits)
        except Exception as error:
            raise UserError(f"filter: the rule {name} failed at chat {talk.chat['id']}: {type(error).__name__}: {error}") from error
        if drop:
            return drop
    return None
