"""Text of a model, a card or a server as a terminal and a page may show it: words, and nothing that does something."""

from __future__ import annotations

import re

# C0 but for line feed and tab, DEL, C1 (ESC and the one-byte CSI and OSC among them), what turns the direction of writing (embeddings, overrides, isolates:
# "Trojan Source", CVE-2021-42574), halves of surrogate pairs, which cannot be written, and the two line ends that only some know.
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """The text with every character that could steer a terminal or turn what is read replaced by U+FFFD, carriage returns taken out.

    Works on each character by itself: a text cut into pieces anywhere comes out as the whole would.
    """
    return _HARMFUL.sub("\ufffd", text.replace("\r", ""))


def one_line(text: str) -> str:
    """The same on one line, for names and errors."""
    return " ".join(plain(text).split())
