"""The hand-written chats of all characters as the measures of the evaluation take them: for each chat the character's replies."""

from __future__ import annotations

import numpy as np

from stages.common.chats import spoken
from stages.common.files import read_jsonl
from tests.project import ROOT

CHARACTERS = ("elizabeth-bennet", "john-silver", "sherlock-holmes")
CHATS = {name: [spoken(chat, "gpt") for chat in read_jsonl(ROOT / f"data/gold/{name}.jsonl")] for name in CHARACTERS}


def parted(generator: np.random.Generator, held: int) -> tuple[dict[str, list[list[str]]], dict[str, list[str]]]:
    """(`held` chats of each character, drawn; each character's replies in all other chats, in an order drawn)."""
    order = {name: generator.permutation(len(chats)) for name, chats in CHATS.items()}
    gold = {name: [CHATS[name][place] for place in places[:held]] for name, places in order.items()}
    rest = {name: [reply for place in places[held:] for reply in CHATS[name][place]] for name, places in order.items()}
    return gold, {name: [replies[place] for place in generator.permutation(len(replies))] for name, replies in rest.items()}
