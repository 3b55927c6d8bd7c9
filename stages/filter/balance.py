"""What would drown the rest: caps by scenario, character and source, and lengths like the gold's. Only training chats are ever dropped here."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stages.filter.talk import Drop

OVER = 1.25  # times its share of the gold that a class of lengths may have of all training chats


@dataclass(frozen=True)
class Row:
    """What balance asks of a chat."""

    id: str
    kind: str
    """Of its source."""
    rank: int
    """How near it is to a human hand; 0 is nearest."""
    character: str
    scenario: str | None
    words: float
    """Mean words of a reply."""


def luck(name: str, seed: int) -> int:
    """A number that decides between equals, from id and seed alone."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:8], "big")


def capped(rows: Mapping[int, Row], caps: Mapping[str, int | None], seed: int) -> dict[int, Drop]:
    """Drops until no scenario, character or source has more chats than its cap (names scenario, character, source); those near to a human hand stay first."""
    dropped: dict[int, Drop] = {}
    order = sorted(rows, key=lambda number: (rows[number].rank, luck(rows[number].id, seed)))
    for what, cap in caps.items():
        if cap is None:
            continue
        counts: Counter[Hashable] = Counter()
        for number in order:
            name = {"scenario": (rows[number].character, rows[number].scenario), "character": rows[number].character, "source": rows[number].kind}[what]
            if number in dropped or (what == "scenario" and rows[number].scenario is None):
                continue
            counts[name] += 1
            if counts[name] > cap:
                dropped[number] = Drop(f"balance.{what}", counts[name], cap)
    return dropped


def steered(synthetic: Mapping[int, Row], gold: Sequence[float], seed: int) -> dict[int, Drop]:
    """Drops synthetic chats until, of gold and synthetic ones together, no class of lengths has more than OVER times its share of the gold alone.

    Classes lie between the quartiles of `gold`, the mean words of a reply in each gold chat.
    """
    if len(gold) < 4:
        return {}
    borders = np.quantile(gold, [0.25, 0.5, 0.75])
    people = np.bincount(np.searchsorted(borders, gold), minlength=4)
    classes: dict[int, list[int]] = defaultdict(list)
    for number in sorted(synthetic, key=lambda number: luck(synthetic[number].id, seed)):
        classes[int(np.searchsorted(borders, synthetic[number].words))].append(number)
    left = np.array([len(classes[name]) for name in range(4)], float)
    while True:  # each pass lowers the total, and with it what every class may have
        allowed = np.floor(OVER * people / len(gold) * (len(gold) + left.sum())) - people
        if (left <= allowed).all():
            break
        left = np.minimum(left, np.maximum(allowed, 0))
    return {
        number: Drop("balance.length", round(synthetic[number].words, 1), told(borders)) for name in range(4) for number in classes[name][int(left[name]) :]
    }


def told(borders: np.ndarray) -> str:
    """What was expected, in words."""
    return f"lengths spread as the gold's, a quarter of whose chats lie below {borders[0]:.0f}, {borders[1]:.0f} and {borders[2]:.0f} words a reply"
