"""Words of people and models in a Markdown file."""

from __future__ import annotations

import re


def escaped(text: str) -> str:
    """Somebody's text as plain words of Markdown: on one line, without markup, and nothing that ends a table's cell."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", " ".join(text.split()))
