"""The words of a text as they are said, without case: "don't" is one word, where the normal form of stages.common.chats makes two of it."""

from __future__ import annotations

import re

# Linear: one class, one quantifier. An apostrophe belongs to the word ("don't"), a quotation mark around it is taken off after.
WORD = re.compile(r"[\w'’]+")


def words_of(text: str) -> list[str]:
    """The words of a text without case; "don't" is one word, however its apostrophe is written."""
    return [word for run in WORD.findall(text.replace("’", "'").casefold()) if (word := run.strip("'"))]
