"""Of chats that say the same, or nearly, one stays: the first in `best_first`."""

from __future__ import annotations

import numpy as np

from stages.filter.near_duplicates import twins
from stages.filter.survey import Survey, best_first
from stages.filter.talk import Drop


def duplicates(found: Survey, near: float) -> dict[int, Drop]:
    """Drops of chats, by number, that say the same as a better one, and then of those whose similarity to a kept one is `near` or more (1 leaves these)."""
    order = best_first(found)
    drops, different = {}, []
    first: dict[int, int] = {}
    for number, said in zip(order.tolist(), found.said[order].tolist(), strict=True):
        if (kept := first.setdefault(said, number)) == number:
            different.append(number)
        else:
            drops[number] = Drop("duplicate.exact", found.ids[kept], "each chat once")
    if near < 1:
        for number, (kept, alike) in twins(found.bands, np.array(different, np.int64), near, found.shingles).items():
            drops[number] = Drop("duplicate.near", found.ids[kept], f"less than {near:g} of the trigrams in common, not {alike:.3f}")
    return drops
