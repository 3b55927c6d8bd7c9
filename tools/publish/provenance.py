"""What a model was trained on, chat by chat: enough to prove or to rule out that a chat was among them, and not a word of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256

from stages.common.files import to_json

Source = tuple[str, str, str, str]
"""Character, kind, teacher or "-", licence."""


def manifest(trained: Iterable[Mapping]) -> list[dict]:
    """A line for each training chat, ordered by id: id, SHA-256 of the record as split wrote it, character, kind, licence and, of a teacher's chat, the teacher."""
    lines = []
    for chat in trained:
        source = chat["source"]
        told = {name: source[name] for name in ("kind", "license", "teacher") if name in source}
        lines.append({"id": chat["id"], "sha256": sha256(to_json(chat)).hexdigest(), "character": chat["character"], **told})
    return sorted(lines, key=lambda line: line["id"])


def sources(lines: Iterable[Mapping]) -> list[tuple[Source, int]]:
    """How many chats there are of each source, in order."""
    return sorted(Counter((line["character"], line["kind"], line.get("teacher", "-"), line["license"]) for line in lines).items())
