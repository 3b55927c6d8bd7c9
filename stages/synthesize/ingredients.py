"""What chats are made from: the scenarios, who may come, and the chats that the teacher may see."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from stages.common import chats
from stages.common.errors import UserError
from stages.common.holdout import split_of
from stages.common.params import read_yaml
from stages.synthesize.draws import Product

SCENARIOS, VISITORS, CURATED = "data/prompts/scenarios.yaml", "data/prompts/visitors.yaml", "data/curated/chats.jsonl"


def gathered(params: Mapping, cards: Collection[str]) -> Product:
    """What chats are drawn from. Raises UserError with the file where something of it cannot be used."""
    examples = shown(chats.read(CURATED), params)
    product = Product(read_scenarios(SCENARIOS, cards), read_visitors(VISITORS), params["synthesize.exchanges"], examples, params["synthesize.examples"])
    if idle := [character for character in sorted(examples) if not product.of(character)]:
        raise UserError(f"{SCENARIOS}: no scenario for {', '.join(idle)}; expected at least one, for each of them or for everybody")
    return product


def read_scenarios(path: str, cards: Collection[str]) -> list[dict]:
    """The scenarios of a file.

    Raises UserError where they are no list of mappings with id, kind, situation and perhaps visitor, where two have one id, or where one names a
    character that is not among `cards`.
    """
    scenarios = read_yaml(path)
    if not isinstance(scenarios, list) or not scenarios:
        raise UserError(f"{path}: a list of scenarios is expected")
    known, ids = sorted(cards), set()
    for number, scenario in enumerate(scenarios, start=1):
        for field in ("id", "kind", "situation"):
            if not isinstance(scenario, dict) or not isinstance(scenario.get(field), str):
                raise UserError(f"{path}: scenario {number} has no {field}")
        if not isinstance(scenario.get("visitor", ""), str):
            raise UserError(f"{path}: scenario {number} has the visitor {scenario['visitor']!r}; expected words, or none")
        if "character" in scenario and scenario["character"] not in known:
            raise UserError(f"{path}: scenario {number} is for {scenario['character']!r}, who has no card; data/characters has {', '.join(known)}")
        if scenario["id"] in ids:
            raise UserError(f"{path}: scenario {number} has the id {scenario['id']}, as one before it has; expected each id once")
        ids.add(scenario["id"])
    return scenarios


def read_visitors(path: str) -> dict[str, list[str]]:
    """The lists ages, stations and moods of a file. Raises UserError where one is not there, or is no list of words."""
    lists = read_yaml(path)
    for name in ("ages", "stations", "moods"):
        found = lists.get(name) if isinstance(lists, dict) else None
        if not isinstance(found, list) or not found or not all(isinstance(entry, str) and entry.strip() for entry in found):
            raise UserError(f"{path}: {name} is {str(found)[:80]}; expected a list of words")
    return lists


def shown(curated: list[dict], params: Mapping) -> dict[str, list[dict]]:
    """The chats that the teacher may see, by character: those that the hold-out gives to train, without those that curate marked.

    No user's log leaves the machine: whoever agreed to training has not agreed to that. Raises UserError where a character has fewer than a request needs.
    """
    seed, validation, test = (params[f"holdout.{name}"] for name in ("seed", "validation", "test"))
    elsewhere = params["synthesize.base_url"] is not None
    allowed: dict[str, list[dict]] = {chat["character"]: [] for chat in curated}
    for chat in sorted(curated, key=lambda c: c["id"]):
        private = elsewhere and chat["source"]["kind"] == "log"
        if split_of(chat, seed, validation, test) == "train" and not chat.get("marks") and not private:
            allowed[chat["character"]].append(chat)
    needed = params["synthesize.examples"]
    logs = "; logs of users are not sent to synthesize.base_url" if elsewhere else ""
    if poor := [character for character, members in allowed.items() if len(members) < needed]:
        raise UserError(f"synthesize needs {needed} training chats of each character as examples; {', '.join(poor)} has fewer: add to data/gold/{logs}")
    return allowed
