"""A page for people that is whole in itself: nothing is loaded, nothing runs but its own script, and whatever anybody wrote is shown as text."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape

# What HTML cannot carry (control characters, halves of surrogate pairs) is shown as the replacement character.
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def document(title: str, style: str, body: str, script: str = "") -> str:
    """The page as HTML: `body` is HTML, `title` any text. Nothing may load or run but this style and this script, each named by its hash."""
    allowed = f"style-src {_hash(style)}; " + (f"script-src {_hash(script)}; " if script else "")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; {allowed}base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>{text(title)}</title>
<style>{style}</style>
</head>
<body>
{body}
{f"<script>{script}</script>" + chr(10) if script else ""}</body>
</html>
"""


def _hash(code: str) -> str:
    return f"'sha256-{b64encode(sha256(code.encode()).digest()).decode()}'"


def text(value: object) -> str:
    """Any text made safe for HTML, in elements and in quoted attributes."""
    return escape(UNPRINTABLE.sub("\ufffd", str(value).replace("\r\n", "\n")), quote=True)


def marked(value: str, spans: Iterable[tuple[int, int]]) -> str:
    """Any text made safe, with <mark> around the spans (first character, character after the last), which come in the order of their firsts."""
    parts, done = [], 0
    for first, end in spans:
        start = max(first, done)  # two rules may have found overlapping words
        if start < end:
            parts += [text(value[done:start]), f"<mark>{text(value[start:end])}</mark>"]
            done = end
    return "".join(parts) + text(value[done:])


def number(value: int) -> str:
    """With narrow spaces between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """ "1 chat", "2 chats"."""
    return f"{number(count)} {noun if count == 1 else plural or noun + 's'}"


def percent(share: float) -> str:
    """A share as a whole percentage."""
    return f"{100 * share:.0f}\u00a0%"
