"""Which prompts are asked: a stratified choice, the same for every arm and every adapter."""

from __future__ import annotations

import random
from collections import defaultdict


def choose(prompts: list[dict], by: str, limit: int | None, seed: int) -> list[dict]:
    """`limit` prompts with as equal a number of each value of the field `by` as can be, in the file's order; all where limit is None."""
    if limit is None or limit >= len(prompts):
        return prompts
    strata: dict[str, list[int]] = defaultdict(list)
    for position, prompt in enumerate(prompts):
        strata[prompt[by]].append(position)
    draw = random.Random(seed)
    for places in strata.values():
        draw.shuffle(places)
    chosen: list[int] = []
    while len(chosen) < limit:
        for places in strata.values():
            if places and len(chosen) < limit:
                chosen.append(places.pop())
    return [prompts[position] for position in sorted(chosen)]
