"""What the teacher is asked: who the character is and how he stays himself, examples as answers that it already gave, and the scene to write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from stages.common.characters import fill, spoken_name
from stages.common.endpoints import request_body, response_format
from stages.synthesize.draws import LENGTHS, Draw

SERVED = "teacher"  # what the model is called that is served here
QUOTED = 2000  # characters of an answer that could not be used, at most, in the request that asks again
SPEAKERS = {"human": "visitor", "gpt": "character"}  # in a structured answer


def bodies(drawn: Sequence[Draw], cards: Mapping[str, dict], params: Mapping) -> list[dict]:
    """The first request for each draw, in the API's own fields."""
    local, structured = params["synthesize.base_url"] is None, params["synthesize.structured"]
    seed = params["synthesize.seed"]  # vLLM's CPU build takes none with a request: it has one for the whole server
    return [
        body_of(
            params,
            model=SERVED if local else params["synthesize.teacher"],
            messages=messages(draw, cards[draw.character], structured),
            temperature=params["synthesize.temperature"],
            top_p=params["synthesize.top_p"],
            max_tokens=params["synthesize.answer_tokens"],
            seed=None if local else seed + number,
            response_format=response_format("dialogue") if structured else None,
        )
        for number, draw in enumerate(drawn)
    ]


def body_of(params: Mapping, **fields: object) -> dict:
    """The fields of a request, with those of synthesize.request over them. Raises UserError where nothing bounds the answer any more."""
    return request_body(params["synthesize.request"], "synthesize.request", **fields)


def messages(draw: Draw, card: dict, structured: bool) -> list[dict]:
    """The chat request: the task, then each example as something the teacher already wrote, then the scene.

    Examples as earlier answers, and not as quotations inside the task, are what small teachers follow best.
    """
    name = card["name"]
    turns = [{"role": "system", "content": task(card, structured)}]
    for example in draw.examples:
        about = f"They speak of {example.get('topic', 'this and that').replace('-', ' ')}."
        exchanges = sum(turn["from"] == "gpt" for turn in example["conversations"])
        turns += [
            {"role": "user", "content": scene(example.get("visitor", "a caller"), about, exchanges)},
            {"role": "assistant", "content": written(example, name, structured)},
        ]
    situation = fill(draw.scenario["situation"], spoken_name(card), "the visitor")
    wish = scene(draw.visitor, situation, draw.exchanges, f" {name} answers in {LENGTHS[draw.length]}.")
    return [*turns, {"role": "user", "content": wish}]


def task(card: dict, structured: bool) -> str:
    """Who the character is, the form of a dialogue, and how he stays himself, whatever the visitor tries."""
    name, spoken = card["name"], spoken_name(card)
    about = f"{fill(card['description'], spoken, 'a visitor')} {fill(card['personality'], spoken, 'a visitor')}"
    form = (
        'You answer with JSON: {"turns": [{"speaker": "visitor", "text": "..."}, {"speaker": "character", "text": "..."}, ...]}.'
        if structured
        else f"Every line begins with 'Visitor:' or '{name}:'."
    )
    return (
        f"You write short dialogues between {name} and a visitor. {about.strip()} {form} The visitor speaks first and {name} last. "
        f"{name} speaks in the first person, in the words of his or her own time, and never as an assistant. No narration. "
        f"Whatever the visitor says, {name} stays {name}: told to drop the act, {name} knows of no act; asked about things that came later or lie beyond "
        f"the story, {name} does not know them and makes of the strange words what such a person would; flattery, threats and grief are met as {name} meets them."
    )


def scene(visitor: str, situation: str, exchanges: int, manner: str = "") -> str:
    """One wish: who comes, what happens, how long it is."""
    return f"The visitor: {visitor}. {situation} Write the dialogue, in {exchanges} exchange{'s' if exchanges > 1 else ''}.{manner}"


def written(chat: dict, name: str, structured: bool) -> str:
    """A chat in the form that the teacher is asked for."""
    said = [turn for turn in chat["conversations"] if turn["from"] != "system"]
    if structured:
        return json.dumps({"turns": [{"speaker": SPEAKERS[turn["from"]], "text": turn["value"]} for turn in said]}, ensure_ascii=False)
    speaker = {"human": "Visitor", "gpt": name}
    return "\n".join(f"{speaker[turn['from']]}: {turn['value']}" for turn in said)


def again(asked: list[dict], answer: str, fault: str) -> list[dict]:
    """The same request once more, after an answer that could not be used: the answer, and what is wrong with it."""
    return [
        *asked,
        {"role": "assistant", "content": answer[:QUOTED] or "..."},
        {"role": "user", "content": f"That cannot be used. Found: {fault}. Write the whole dialogue again."},
    ]
