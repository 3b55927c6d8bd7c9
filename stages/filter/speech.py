"""The character who talks like an assistant, steps out of himself, or is spoken for."""

from __future__ import annotations

from stages.common import in_character
from stages.filter.talk import Drop, Limits, Talk


def assistant_speech(talk: Talk, limits: Limits) -> Drop | None:
    """The character talks like an assistant. The visitor may."""
    for reply in talk.replies:
        if hit := in_character.assistant_speech(reply):
            return Drop(f"assistant_speech.{hit[0]}", hit[1], "no assistant phrase")
    return None


def character_break(talk: Talk, limits: Limits) -> Drop | None:
    """The character steps out of himself, or somebody speaks for him."""
    if "speaks-for-user" in talk.chat.get("marks", ()):  # by curate, which saw the labels
        return Drop("character_break.speaks_for_user", "a line of the visitor's in the character's turn", "each speaks for himself")
    for reply in talk.replies:
        if hit := in_character.character_break(reply, talk.role.name):
            return Drop(f"character_break.{hit[0]}", hit[1], "the character speaks as himself")
    return None
