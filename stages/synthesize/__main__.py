"""Asks a teacher for new chats from the card, two training chats and a scenario; what is no chat becomes a reject."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from stages.common import base_models, characters, chats, children, completions, inference_server
from stages.common.chats import chat_id
from stages.common.errors import UserError, run
from stages.common.files import write_json, write_jsonl
from stages.common.holdout import split_of
from stages.common.params import load, read_yaml
from stages.synthesize.parsing import NotAChat, turns
from stages.synthesize.requests import Draw, draws, messages, of


def main() -> None:
    children.end_with_caller()
    params = load("synthesize")
    cards = characters.read_all()
    examples = shown(chats.read("data/curated/chats.jsonl"), params)
    scenarios = read_scenarios("data/prompts/scenarios.yaml", cards, examples)
    drawn = draws(params["synthesize.chats"], params["synthesize.seed"], scenarios, examples)
    answers = ask(drawn, cards, params) if drawn else []
    written, rejects, seen = [], [], set()
    for number, (draw, answer) in enumerate(zip(drawn, answers, strict=True)):
        try:
            chat = to_chat(draw, answer, cards[draw.character], params)
            if chat["id"] in seen:
                raise NotAChat("repeated", chat["id"], "each chat once")
            seen.add(chat["id"])
            written.append(chat)
        except NotAChat as error:
            rejects.append({"request": number, "rule": error.rule, "found": error.found, "expected": error.expected})
    write_jsonl("data/synthetic/chats.jsonl", written)
    write_jsonl("data/synthetic/rejects.jsonl", rejects)
    write_json(
        "metrics/synthesize.json",
        {
            "asked": len(drawn),
            "chats": len(written),
            "rejected": len(rejects),
            "prompt_tokens": sum(answer.prompt_tokens for answer in answers),
            "completion_tokens": sum(answer.completion_tokens for answer in answers),
        },
    )


def read_scenarios(path: str, cards: Collection[str], drawn_for: Collection[str]) -> list[dict]:
    """The scenarios of a file.

    Raises UserError where they are no list of mappings with id, kind, visitor and situation, where one names a character that
    is not among `cards`, or where a character of `drawn_for` has none.
    """
    scenarios = read_yaml(path)
    if not isinstance(scenarios, list) or not scenarios:
        raise UserError(f"{path}: a list of scenarios is expected")
    known = sorted(cards)
    for number, scenario in enumerate(scenarios, start=1):
        for field in ("id", "kind", "visitor", "situation"):
            if not isinstance(scenario, dict) or not isinstance(scenario.get(field), str):
                raise UserError(f"{path}: scenario {number} has no {field}")
        if "character" in scenario and scenario["character"] not in known:
            raise UserError(f"{path}: scenario {number} is for {scenario['character']!r}, who has no card; data/characters has {', '.join(known)}")
    if idle := [character for character in sorted(drawn_for) if not of(scenarios, character)]:
        raise UserError(f"{path}: no scenario for {', '.join(idle)}; expected at least one, for each of them or for everybody")
    return scenarios


def shown(curated: list[dict], params: Mapping) -> dict[str, list[dict]]:
    """The chats that the teacher may see, by character: those that the hold-out gives to train.

    Raises UserError where a character has fewer than the two that a request needs.
    """
    seed, validation, test = (params[f"holdout.{name}"] for name in ("seed", "validation", "test"))
    allowed: dict[str, list[dict]] = {chat["character"]: [] for chat in curated}
    for chat in sorted(curated, key=lambda c: c["id"]):
        if split_of(chat, seed, validation, test) == "train":
            allowed[chat["character"]].append(chat)
    if poor := [character for character, members in allowed.items() if len(members) < 2]:
        raise UserError(f"synthesize needs two training chats of each character as examples; {', '.join(poor)} has fewer: add to data/gold/")
    return allowed


def ask(drawn: list[Draw], cards: dict[str, dict], params: Mapping) -> list[completions.Answer]:
    """One answer for each draw, in its order. An endpoint gets the seed with each request, the teacher served here when it starts."""
    sampling = {name: params[f"synthesize.{name}"] for name in ("temperature", "top_p", "max_tokens")}
    seeded = params["synthesize.base_url"] is not None
    with endpoint(params) as (url, key, model):
        requests = [
            {"model": model, "messages": messages(draw, cards[draw.character]), **sampling, **({"seed": params["synthesize.seed"] + number} if seeded else {})}
            for number, draw in enumerate(drawn)
        ]
        return completions.ask(url, key, requests, params["synthesize.concurrency"], "synthesize")


@contextmanager
def endpoint(params: Mapping) -> Iterator[tuple[str, str, str]]:
    """(URL, key, model): the endpoint of synthesize.base_url with the key from the environment, or the teacher served here."""
    if url := params["synthesize.base_url"]:
        variable = params["synthesize.api_key_env"]
        key = os.environ.get(variable)
        if not key:
            raise UserError(f"synthesize.base_url is {url}, but the environment variable {variable} that should hold its key is empty")
        yield url, key, params["synthesize.teacher"]
        return
    teacher = base_models.fetch(params["synthesize.teacher"], None)
    with inference_server.serve(teacher, "teacher", teacher / "chat_template.jinja", params["synthesize.seed"]) as url:
        yield url, "none", "teacher"


def to_chat(draw: Draw, answer: completions.Answer, card: dict, params: Mapping) -> dict:
    """The chat record of one answer. Raises NotAChat."""
    said = turns(answer.text, card["name"], answer.finish)
    return {
        "id": chat_id(draw.character, "synthetic", said),
        "character": draw.character,
        "topic": draw.scenario["kind"],
        "visitor": draw.scenario["visitor"],
        "conversations": [{"from": "system", "value": characters.system_prompt(card, params["curate.user"], [turn["value"] for turn in said])}, *said],
        "source": {
            "kind": "synthetic",
            "license": params["synthesize.teacher_license"],
            "parents": [example["id"] for example in draw.examples],
            "scenario": draw.scenario["id"],
            "teacher": params["synthesize.teacher"],
        },
    }


if __name__ == "__main__":
    run(main)
