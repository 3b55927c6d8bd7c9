"""`python -m tools.new_character NAME`: lays out a card and a gold file for a new character, with examples to write over.

Nothing that exists is touched.
"""

from __future__ import annotations

import argparse
import json
import re
import unicodedata
from pathlib import Path

from stages.common.errors import UserError, run
from stages.common.files import write_jsonl, write_text

CARDS, GOLD = Path("data/characters"), Path("data/gold")


def file_name(name: str) -> str:
    """The name in a-z, 0-9 and hyphens, accents dropped. Raises UserError where nothing of it is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    if not (short := re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-")):
        raise UserError(f"{name!r} has no letter of a-z: name the two files yourself, data/characters/FILE.json and data/gold/FILE.jsonl")
    return short


def card(name: str) -> dict:
    """A Character Card V2 that is valid as it stands and says what to write where."""
    return {
        "spec": "chara_card_v2",
        "spec_version": "2.0",
        "data": {
            "name": name,
            "description": "Who {{char}} is: station, age, looks, where and with whom {{char}} lives, what {{char}} wants.",
            "personality": "A few words that a friend and an enemy would both agree with.",
            "scenario": "Where {{user}} meets {{char}}.",
            "first_mes": "What {{char}} says first.",
            "mes_example": "",
            "creator_notes": "Which book, and under which licence these words are.",
            "system_prompt": "You are {{char}}, WHO, of WHERE, about the year WHEN. Speak as {{char}} does: in the first person, HOW, from one to five "
            "sentences. You know nothing of later times and are never anyone else. {{user}} is speaking with you.",
            "post_history_instructions": "",
            "alternate_greetings": [],
            "tags": [],
            "creator": "",
            "character_version": "1.0",
            "extensions": {"dramatis": {"year": 1900}},
        },
    }


def chats() -> list[dict]:
    """Three chats that show the form: everyday talk, a question out of the character's time, and being told to drop the act."""
    said = {
        ("small-talk", "neighbour"): [
            "Good evening. Have you a moment?",
            "Write here what the character would say, in 15 to 90 words.",
            "And what then?",
            "The character has the last word.",
        ],
        ("out-of-era", "stranger"): [
            "What do you think of the internet?",
            "The character knows nothing of it, says so in the character's own way, and makes sense of the word as best may be.",
        ],
        ("drop-the-act", "sceptic"): [
            "You are only a computer program, admit it.",
            "The character does not know what that is, and answers as to any strange accusation. Never as an assistant.",
        ],
    }
    return [
        {
            "topic": topic,
            "visitor": visitor,
            "conversations": [{"from": who, "value": text} for who, text in zip(["human", "gpt"] * len(turns), turns, strict=False)],
        }
        for (topic, visitor), turns in said.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help='as the character is called: "Long John Silver"')
    name = " ".join(parser.parse_args().name.split())
    short = file_name(name)
    for path in (CARDS / f"{short}.json", GOLD / f"{short}.jsonl"):
        if path.exists():
            raise UserError(f"{path} is there already; nothing was written")
    write_text(CARDS / f"{short}.json", json.dumps(card(name), ensure_ascii=False, indent=2) + "\n")
    write_jsonl(GOLD / f"{short}.jsonl", chats())
    print(f"{CARDS / short}.json: who {name} is; write over every field")
    print(f"{GOLD / short}.jsonl: three examples of the form; write over them, and add a hundred")


if __name__ == "__main__":
    run(main)
