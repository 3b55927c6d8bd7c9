"""What the teacher is asked: a card, two examples, a scenario, and a transcript to go on with."""

from __future__ import annotations

import random
from dataclasses import dataclass

from stages.common.characters import fill, spoken_name


@dataclass(frozen=True)
class Draw:
    """One request's ingredients."""

    character: str
    scenario: dict
    examples: tuple[dict, dict]


def draws(count: int, seed: int, scenarios: list[dict], examples: dict[str, list[dict]]) -> list[Draw]:
    """`count` draws: characters in turn, each with scenarios in a shuffled round without repeats until all are used, and two different examples.

    A scenario with a "character" is drawn for that one alone. `examples` are the chats of each character that the teacher may
    see. A larger count keeps the smaller one's draws as its beginning.
    """
    drawn = []
    characters = sorted(examples)
    fitting = {character: sorted(of(scenarios, character), key=lambda s: s["id"]) for character in characters}
    order: dict[str, list[dict]] = {character: [] for character in characters}
    for number in range(count):
        draw = random.Random(f"{seed}-{number}")  # of its own, so that draw N does not depend on how many come after
        character = characters[number % len(characters)]
        if not order[character]:
            order[character] = list(fitting[character])
            random.Random(f"{seed}-round-{number}").shuffle(order[character])
        first, second = draw.sample(examples[character], 2)
        drawn.append(Draw(character, order[character].pop(), (first, second)))
    return drawn


def of(scenarios: list[dict], character: str) -> list[dict]:
    """The scenarios that fit a character: those that name no character, and those that name this one."""
    return [scenario for scenario in scenarios if scenario.get("character", character) == character]


def transcript(chat: dict, name: str) -> str:
    """A chat as a play is written: `Visitor: ...` and `NAME: ...`, a line each."""
    speaker = {"human": "Visitor", "gpt": name}
    return "\n".join(f"{speaker[turn['from']]}: {turn['value']}" for turn in chat["conversations"] if turn["from"] != "system")


def messages(draw: Draw, card: dict) -> list[dict]:
    """The chat request: the task, then each example as something the teacher already wrote, then the scenario.

    Examples as earlier answers, and not as quotations inside the task, are what small teachers follow best.
    """
    name, spoken = card["name"], spoken_name(card)
    about = fill(card["description"], spoken, "a visitor")
    task = (
        f"You write short dialogues between {name} and a visitor. {about} {card['personality']} "
        f"Each dialogue has two or three exchanges. Every line begins with 'Visitor:' or '{name}:'. The visitor speaks first and {name} last. "
        f"{name} speaks in the first person, in the words of his time, from one to five sentences, and never as an assistant. No narration."
    )

    def wish(visitor: str, situation: str) -> dict:
        return {"role": "user", "content": f"The visitor: {visitor}. {situation} Write the dialogue."}

    turns = [{"role": "system", "content": task}]
    for example in draw.examples:
        turns += [
            wish(example.get("visitor", "a caller"), f"They speak of {example.get('topic', 'this and that').replace('-', ' ')}."),
            {"role": "assistant", "content": transcript(example, name)},
        ]
    return [*turns, wish(draw.scenario["visitor"], fill(draw.scenario["situation"], spoken, "the visitor"))]
