"""`python -m benchmarks.rules_on_prose [--name NAME] [--year YEAR] FILE ...`: what the rules on words drop of real text that is not in the repository.

A text file is a novel: each paragraph's words in double quotes are one reply of the character called NAME who speaks in YEAR; assistant speech, breaks and slop
together should drop at most 1 % of them, and the anachronisms are shown beside. A .json or .jsonl file holds chats of a general assistant in ShareGPT's form: of
its replies that speak of a model, its kind or its maker in the first person, at least 98 % should be dropped. The first 20 of each list are shown, for a
person to judge: real lines that went, statements of identity that stayed.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Iterable
from pathlib import Path

from stages.common.errors import UserError, run
from stages.common.params import load
from stages.filter import anachronism, slop, speech
from stages.filter.talk import Drop, Limits, Role, Talk

RULES = {
    "assistant_speech": speech.assistant_speech,
    "character_break": speech.character_break,
    "slop": slop.slop,
    "anachronism": anachronism.anachronism,
}
# Deliberately wider and plainer than the rule that is measured by it.
IDENTITY = re.compile(
    r"\b(?:i|i'm|my|me)\b[^.!?\n]*\b(?:ai|a\.i|language model|artificial intelligence|chat ?bot|virtual assistant|vicuna|chatgpt|open ?assistant|lmsys|openai|"
    r"(?:trained|created|developed|built|programmed) by)\b|(?:created|trained|built|developed) me\b",
    re.IGNORECASE,
)


def dialogue(text: str) -> list[str]:
    """What is said in each paragraph of a novel: the words between double quotes, straight or curly, pieces of one paragraph together."""
    paragraphs = re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").replace("\u201c", '"').replace("\u201d", '"'))
    spoken = (" ".join(" ".join(re.findall(r'"([^"]+)(?:"|$)', paragraph)).split()) for paragraph in paragraphs)
    return [line for line in spoken if re.search(r"\w", line)]


def replies(path: Path) -> list[str]:
    """The assistant's turns of a ShareGPT file. Raises UserError where it holds no chats."""
    text = path.read_text(encoding="utf-8")
    chats = [json.loads(line) for line in text.splitlines() if line.strip()] if path.suffix == ".jsonl" else json.loads(text)
    found = [turn["value"] for chat in chats for turn in chat["conversations"] if turn["from"] == "gpt"]
    if not found:
        raise UserError(f"{path}: no turn from gpt; expected chats in ShareGPT's form")
    return found


def judged(lines: Iterable[str], role: Role, limits: Limits) -> list[tuple[str, dict[str, Drop]]]:
    """Each line with the drops of the rules above, as a chat of that one reply."""
    talks = (Talk({"id": "line", "conversations": [{"from": "gpt", "value": line}]}, role) for line in lines)
    return [(talk.replies[0], {name: drop for name, rule in RULES.items() if (drop := rule(talk, limits))}) for talk in talks]


def share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({part / whole:.2%})" if whole else "0 of 0"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--name", default="Sherlock Holmes")
    parser.add_argument("--year", type=int, default=1895)
    given = parser.parse_args()
    params = load("filter")
    limits = Limits(**{name: params[f"filter.{name}"] for name in Limits.__dataclass_fields__})
    for path in given.files:
        chats = path.suffix in (".json", ".jsonl")
        lines = replies(path) if chats else dialogue(path.read_text(encoding="utf-8", errors="replace"))
        began = time.perf_counter()
        seen = judged(lines, Role(given.name, given.year), limits)
        each = (time.perf_counter() - began) / max(1, len(lines)) * 1e6
        print(
            f"{path.name}: {len(lines):,} replies, {sum(len(line.split()) for line in lines) / max(1, len(lines)):.0f} words each, {each:.0f} microseconds each"
        )
        for name in RULES:
            print(f"  {name}: {share(sum(name in drops for _, drops in seen), len(seen))}")
        ours = [(line, drops) for line, drops in seen if drops.keys() - {"anachronism"}]
        print(f"  assistant speech, breaks and slop together: {share(len(ours), len(seen))}")
        if chats:
            stated = [(line, drops) for line, drops in seen if IDENTITY.search(line)]
            print(f"  with a statement of identity, dropped: {share(sum('assistant_speech' in drops for _, drops in stated), len(stated))}")
            shown = [(line, {}) for line, drops in stated if "assistant_speech" not in drops]
        else:
            shown = ours + [(line, drops) for line, drops in seen if drops.keys() == {"anachronism"}]
        for line, drops in shown[:20]:
            print(f"    {'; '.join(f'{drop.rule}: {drop.found}' for drop in drops.values()) or 'kept'} | {line[:200]}")


if __name__ == "__main__":
    run(main)
