"""Where an answer breaks character: the words that stages.common.in_character found, as places in the text."""

from __future__ import annotations

from dataclasses import dataclass

from stages.common import in_character


@dataclass(frozen=True)
class Mark:
    """One break: its family (the name of the list that found it) and the half-open span of the matching words."""

    family: str
    start: int
    end: int


def marks(answer: str, name: str) -> tuple[Mark, ...]:
    """The first assistant phrase and the first break of the character called `name`, in the order of the text.

    Empty exactly where in_character.in_character(answer, name) is true.
    """
    found = []
    for hit in (in_character.assistant_speech(answer), in_character.character_break(answer, name)):
        if hit:
            family, words = hit
            # The rules look at straight quotes; those take the same places as the curly ones.
            start = in_character.straight(answer).find(words)
            if start < 0:  # letters without width, or wide ones, stand in it
                start, words = 0, answer
            found.append(Mark(family, start, start + len(words)))
    return tuple(sorted(found, key=lambda mark: (mark.start, mark.end, mark.family)))
