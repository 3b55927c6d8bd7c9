"""The data card of the curated chats, in the form of the Hugging Face hub: where they come from, how many, under which licences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"))


def data_card(kept: Mapping[tuple[Path, str, str, str, str], int], rejected: Mapping[str, int], names: Mapping[str, str]) -> str:
    """The README.md beside the chats. `kept` counts chats by (file, character, kind, licence, language), `rejected` by rule; `names` are the characters' own."""
    total = sum(kept.values())
    size = next((label for limit, label in SIZES if total < limit), "n>10M")
    _, characters, kinds, licenses, languages = (sorted(set(column)) for column in zip(*kept, strict=True))
    head = ["---", "pretty_name: Curated character chats", "license:", *(f"- {license}" for license in sorted({one.lower() for one in licenses})), "language:"]
    head += [*(f"- {language}" for language in languages), "task_categories:", "- text-generation", "tags:", "- role-play", "- conversational"]
    head += ["size_categories:", f"- {size}", "configs:", "- config_name: default", "  data_files: chats.jsonl", "---", ""]
    lines = ["# Curated character chats", ""]
    lines += [f"{total:,} chats of {', '.join(words(names[character]) for character in characters)}, one JSON object a line in ShareGPT form:"]
    lines += ["`id`, `character`, `conversations` (system, then human and gpt in turn) and `source` (kind, file, line, licence).", ""]
    lines += ["| source | character | kind | licence | language | chats |", "|---|---|---|---|---|---|"]
    lines += [f"| {' | '.join(words(str(part)) for part in key)} | {count:,} |" for key, count in sorted(kept.items())]
    lines += ["", f"Left out: {sum(rejected.values()):,}" + (", by rule: " if rejected else ".")]
    if rejected:
        lines[-1] += ", ".join(f"{rule} {count:,}" for rule, count in sorted(rejected.items())) + ". `rejects.jsonl` names file and line of each."
    if "log" in kinds:
        lines += ["", "Logs are real users' chats, kept with their consent; personal data in them has been replaced with placeholders such as `[EMAIL]`."]
    return "\n".join(head + lines) + "\n"


def words(text: str) -> str:
    """Somebody's text as plain words of Markdown: on one line, without markup, and nothing that ends a table's cell."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", " ".join(text.split()))
