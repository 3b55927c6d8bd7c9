"""Text of a model, a card or a server as a terminal and a page may show it: words, and nothing that does something."""

from __future__ import annotations

from stages.common.errors import COMMANDS


def plain(text: str) -> str:
    """The text with every character that could steer a terminal or turn what is read replaced by U+FFFD, carriage returns taken out.

    Works on each character by itself: a text cut into pieces anywhere comes out as the whole would.
    """
    return COMMANDS.sub("\ufffd", text.replace("\r", ""))


def one_line(text: str) -> str:
    """The same on one line, for names and errors."""
    return " ".join(plain(text).split())
