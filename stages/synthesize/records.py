"""From what was written for each draw to chat records and rejects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stages.common import characters
from stages.common.chats import chat_id
from stages.synthesize.draws import Draw
from stages.synthesize.parsing import NotAChat
from stages.synthesize.rounds import Writing


def to_records(writings: Sequence[Writing], drawn: Sequence[Draw], cards: Mapping[str, dict], params: Mapping) -> tuple[dict[int, dict], list[dict]]:
    """({request's number: chat}, rejects). Every attempt that could not be used is a reject, and so is a chat that was written before."""
    written: dict[int, dict] = {}
    rejects, seen = [], set()
    for writing, draw in zip(writings, drawn, strict=True):
        faults = list(writing.faults)
        if writing.turns:
            chat = to_chat(writing, draw, cards[draw.character], params)
            if chat["id"] in seen:
                faults.append(NotAChat("repeated", chat["id"], "each chat once"))
            else:
                seen.add(chat["id"])
                written[writing.number] = chat
        rejects += [
            {"request": writing.number, "attempt": attempt, "rule": fault.rule, "found": fault.found, "expected": fault.expected}
            for attempt, fault in enumerate(faults, start=1)
        ]
    return written, rejects


def to_chat(writing: Writing, draw: Draw, card: dict, params: Mapping) -> dict:
    """The chat record of what was written for a draw."""
    return {
        "id": chat_id(draw.character, "synthetic", writing.turns),
        "character": draw.character,
        "topic": draw.scenario["kind"],
        "visitor": draw.visitor,
        "conversations": [
            {"from": "system", "value": characters.system_prompt(card, params["curate.user"], [turn["value"] for turn in writing.turns])},
            *writing.turns,
        ],
        "source": {
            "kind": "synthetic",
            "license": params["synthesize.output_license"],
            "parents": [example["id"] for example in draw.examples],
            "scenario": draw.scenario["id"],
            "teacher": params["synthesize.teacher"],
            "request": writing.key,
        },
    }
