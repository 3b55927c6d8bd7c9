"""From a line of a gold file to a chat, or to the reason why not."""

from __future__ import annotations

from typing import Any

from stages.common.characters import fill, spoken_name, system_prompt
from stages.common.chats import chat_id
from stages.common.schemas import fault


def reject(file: str, line: int, rule: str, found: str, expected: str) -> dict:
    """One line of rejects.jsonl."""
    return {"file": file, "line": line, "rule": rule, "found": found, "expected": expected}


def to_chat(value: Any, character: str, card: dict, user: str, license: str, file: str, line: int) -> tuple[dict | None, dict | None]:
    """(chat, None) or (None, reject) for one parsed line, or the ValueError of a line that is not JSON."""
    if isinstance(value, ValueError):
        return None, reject(file, line, "json", str(value), "one JSON object a line")
    if problem := fault("gold", value):
        return None, reject(file, line, "schema", problem, "schemas/gold.schema.json")
    turns = value["conversations"]
    own_system = [turn for turn in turns if turn["from"] == "system"]
    turns = [turn for turn in turns if turn["from"] != "system"]
    speakers = [turn["from"] for turn in turns]
    if len(own_system) > 1 or speakers != ["human", "gpt"] * (len(turns) // 2) or not turns:
        return None, reject(file, line, "turns", ", ".join(t["from"] for t in value["conversations"]), "human and gpt in turn, the character last")
    said = [{"from": turn["from"], "value": fill(turn["value"], spoken_name(card), user).strip()} for turn in turns]
    return {
        "id": chat_id(character, "gold", said),
        "character": character,
        **{key: value[key] for key in ("topic", "visitor") if key in value},
        # The card's prompt, not the chat's own: train and serve must say the same.
        "conversations": [{"from": "system", "value": system_prompt(card, user)}, *said],
        "source": {"kind": "gold", "file": file, "line": line, "license": license},
    }, None
