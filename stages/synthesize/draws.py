"""What each request is about: one draw from the product of character, scenario, visitor, length, number of exchanges and examples."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count as numbers

from stages.common.chats import normal

# How long the character answers, by class. Together they cover the gold's 15 to 90 words.
LENGTHS = {"short": "one or two sentences", "medium": "two to four sentences", "long": "four to six sentences"}
CANDIDATES = 8  # of which the next example is the one least like those that are chosen


@dataclass(frozen=True)
class Draw:
    """One request's ingredients."""

    character: str
    scenario: dict
    visitor: str
    length: str
    """A class of LENGTHS."""
    exchanges: int
    examples: tuple[dict, ...]


@dataclass(frozen=True)
class Product:
    """What is drawn from. `visitors` has the lists ages, stations and moods; `examples` are the chats of each character that the teacher may see."""

    scenarios: Sequence[dict]
    visitors: Mapping[str, Sequence[str]]
    exchanges: Sequence[int]
    examples: Mapping[str, Sequence[dict]]
    examples_each: int

    def of(self, character: str) -> list[dict]:
        """The scenarios that fit a character, by id: those that name no character, and those that name this one."""
        return sorted((one for one in self.scenarios if one.get("character", character) == character), key=lambda one: one["id"])


def draws(count: int, seed: int, product: Product) -> list[Draw]:
    """`count` draws, characters in turn. Of each list every entry comes once before any comes again, and no combination comes twice while there are others.

    A larger count keeps the smaller one's draws as its beginning, and a character's draws do not depend on what others there are to draw for.
    """
    characters = sorted(product.examples)
    each = {character: _of_one(character, seed, product) for character in characters}
    return [next(each[characters[number % len(characters)]]) for number in range(count)]


def _of_one(character: str, seed: int, product: Product) -> Iterator[Draw]:
    """The endless draws of one character."""

    def rounds(what: str, entries: Sequence) -> Iterator:
        """All entries in a shuffled order, then all in another one, without end."""
        for turn in numbers():
            order = list(entries)
            random.Random(f"{seed}-{character}-{what}-{turn}").shuffle(order)
            yield from order

    scenarios, lengths = rounds("scenario", product.of(character)), rounds("length", sorted(LENGTHS))
    ages, stations, moods = (rounds(what, product.visitors[what]) for what in ("ages", "stations", "moods"))
    exchanges = rounds("exchanges", product.exchanges)
    examples = sorted(product.examples[character], key=lambda chat: chat["id"])
    vocabulary = {chat["id"]: frozenset(normal(" ".join(turn["value"] for turn in chat["conversations"][1:])).split()) for chat in examples}
    seen = set()
    for number in numbers():
        scenario, length, many = next(scenarios), next(lengths), next(exchanges)
        age, station = next(ages), next(stations)
        for _ in product.visitors["moods"]:  # another mood makes another combination; where all have been, one comes again
            visitor = f"{scenario.get('visitor', f'{age} {station}')}, {next(moods)}"
            if (scenario["id"], visitor, length, many) not in seen:
                break
        seen.add((scenario["id"], visitor, length, many))
        draw = random.Random(f"{seed}-{character}-examples-{number}")
        yield Draw(character, scenario, visitor, length, many, unlike(examples, vocabulary, product.examples_each, draw))


def unlike(examples: Sequence[dict], vocabulary: Mapping[str, frozenset[str]], count: int, draw: random.Random) -> tuple[dict, ...]:
    """`count` different chats: one at random, then each time that of a few random ones which shares the fewest words with those chosen (Jaccard)."""
    chosen = [draw.choice(examples)]
    while len(chosen) < count:
        left = [chat for chat in draw.sample(examples, min(CANDIDATES + len(chosen), len(examples))) if chat not in chosen]
        chosen.append(min(left, key=lambda chat: max(_jaccard(vocabulary[chat["id"]], vocabulary[other["id"]]) for other in chosen)))
    return tuple(chosen)


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one or other else 0.0
