"""What each request is about: one draw from the product of character, scenario, visitor, length, number of exchanges and examples."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count as numbers
from math import prod

from stages.common.chats import normal

# How long the character answers, by class. Together they cover the gold's 15 to 90 words.
LENGTHS = {"short": "one or two sentences", "medium": "two to four sentences", "long": "four to six sentences"}
CANDIDATES = 8  # of which the next example is the one least like those that are chosen


@dataclass(frozen=True)
class Draw:
    """One request's ingredients."""

    character: str
    scenario: dict
    age: str
    station: str
    mood: str
    length: str
    """A class of LENGTHS."""
    exchanges: int
    examples: tuple[dict, ...]

    @property
    def visitor(self) -> str:
        """Who comes: whom the scenario names, or somebody of the age and station drawn; in the mood drawn."""
        return f"{self.scenario.get('visitor') or f'{self.age} {self.station}'}, {self.mood}"


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
    """`count` draws, characters in turn. Of each list every entry comes once before any comes again, and no combination comes twice before all have come.

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

    lists = {**{what: product.visitors[what] for what in ("ages", "stations", "moods")}, "length": sorted(LENGTHS), "exchanges": product.exchanges}
    manners = zip(*(rounds(what, entries) for what, entries in lists.items()), strict=True)
    sizes = [len(set(entries)) for entries in lists.values()]
    examples = sorted(product.examples[character], key=lambda chat: chat["id"])
    vocabulary = {chat["id"]: frozenset(normal(" ".join(turn["value"] for turn in chat["conversations"][1:])).split()) for chat in examples}
    had: dict[str, set[tuple]] = {}
    for number, scenario in enumerate(rounds("scenario", product.of(character))):
        matters = slice(2 if scenario.get("visitor") else 0, None)  # a visitor whom the scenario names has an age and a station already
        seen = had.setdefault(scenario["id"], set())
        if len(seen) == prod(sizes[matters]):
            seen.clear()
        manner = next(manner for manner in manners if manner[matters] not in seen)
        seen.add(manner[matters])
        draw = random.Random(f"{seed}-{character}-examples-{number}")
        yield Draw(character, scenario, *manner, unlike(examples, vocabulary, product.examples_each, draw))


def unlike(examples: Sequence[dict], vocabulary: Mapping[str, frozenset[str]], count: int, draw: random.Random) -> tuple[dict, ...]:
    """`count` different chats: one at random, then each time that of a few random ones which shares the fewest words with those chosen (Jaccard)."""
    chosen = [draw.choice(examples)]
    while len(chosen) < count:
        names = {chat["id"] for chat in chosen}
        left = [chat for chat in draw.sample(examples, min(CANDIDATES + len(chosen), len(examples))) if chat["id"] not in names]
        chosen.append(min(left, key=lambda chat, names=names: max(_jaccard(vocabulary[chat["id"]], vocabulary[other]) for other in names)))
    return tuple(chosen)


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared) if shared else 0.0
