"""Which prompts are asked: a stratified choice, the same for every arm and every adapter."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import zip_longest


def choose(questions: Sequence[dict], limit: int | None, seed: int) -> list[dict]:
    """`limit` questions, as equal a number for each "character" as can be, and of his for each "kind", in the order given; all where limit is None.

    A higher limit keeps what a lower one chose.
    """
    if limit is None or limit >= len(questions):
        return list(questions)
    strata: dict[str, dict[str, list[int]]] = {}
    for place, question in enumerate(questions):
        strata.setdefault(question["character"], {}).setdefault(question["kind"], []).append(place)
    draw = random.Random(seed)
    queues = []
    for number, kinds in enumerate(strata.values()):
        piles = list(kinds.values())
        for places in piles:
            draw.shuffle(places)
        # Each character begins with another kind: where a round is not full, the kinds that it leaves out differ.
        first = number * len(piles) // len(strata)
        queues.append(_in_turn(map(reversed, piles[first:] + piles[:first])))
    return [questions[place] for place in sorted(_in_turn(queues)[:limit])]


def _in_turn(piles: Iterable[Iterable[int]]) -> list[int]:
    """One of each pile, a second of each, and so on; a pile that is used up is passed over."""
    return [place for turn in zip_longest(*piles) for place in turn if place is not None]
