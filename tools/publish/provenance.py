"""What a model was trained on, chat by chat: enough to prove or to rule out that a chat was among them, and not a word of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256

from stages.common.files import to_json


def manifest(trained: Iterable[Mapping]) -> list[dict]:
    """A line for each training chat, ordered by id: id, SHA-256 of the record as split wrote it, character, kind, licence and, of a teacher's chat, the teacher."""
    lines = []
    for chat in trained:
        source = chat["source"]
        told = {name: source[name] for name in ("kind", "license", "teacher") if name in source}
        lines.append({"id": chat["id"], "sha256": sha256(to_json(chat)).hexdigest(), "character": chat["character"], **told})
    return sorted(lines, key=lambda line: line["id"])
