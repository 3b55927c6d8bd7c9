"""How many chats were to be held out and how many are: what chance allows, and whether it is enough to measure with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, exp, floor, lgamma, log, log1p

import numpy as np

from stages.common.holdout import SPLITS
from stages.split.columns import Columns

LEAST = 15  # test chats of a character: with fewer, a mean over them says little


def counts(found: Columns, kept: np.ndarray, validation: float, test: float) -> dict[str, float]:
    """Groups that the hold-out draws and those that it gave to validation and test, beside what chance allows; test chats that are kept, by character."""
    drawn = ~found.synthetic
    groups, first = np.unique(found.group[drawn], return_index=True)
    homes = found.home[drawn][first]
    figures: dict[str, float] = {"groups": len(groups)}
    for name, share in (("validation", validation), ("test", test)):
        mean, low, high = expected(len(groups), share)
        figures |= {f"groups_{name}": int((homes == SPLITS.index(name)).sum()), f"groups_{name}_expected": round(mean, 1)}
        figures |= {f"groups_{name}_lower": low, f"groups_{name}_upper": high}
    tested = np.bincount(found.character[kept & (found.home == SPLITS.index("test"))], minlength=len(found.characters))
    return figures | {f"test_{name}": int(count) for name, count in sorted(zip(found.characters, tested, strict=True))}


def expected(trials: int, share: float) -> tuple[float, int, int]:
    """(the mean of a binomial distribution, the ends of its central 95 %: 2.5 % at most lie below the first, 2.5 % at most above the second)."""
    # Twelve standard deviations and twelve more: what lies beyond is less than double precision can tell from 0.
    spread = 12 * (trials * share * (1 - share)) ** 0.5 + 12
    first, last = max(0, floor(trials * share - spread)), min(trials, ceil(trials * share + spread))
    low, below = None, 0.0
    for count in range(first, last + 1):
        below += exp(lgamma(trials + 1) - lgamma(count + 1) - lgamma(trials - count + 1) + count * log(share) + (trials - count) * log1p(-share))
        low = count if low is None and below > 0.025 else low
        if below >= 0.975:
            last = count
            break
    return trials * share, last if low is None else low, last


def told(characters: Sequence[str], figures: Mapping[str, float]) -> list[str]:
    """A sentence for each share that chance does not explain, and for each character with too few test chats to say much."""
    said = []
    for name in ("validation", "test"):
        count, mean, low, high = (figures[f"groups_{name}{end}"] for end in ("", "_expected", "_lower", "_upper"))
        if not low <= count <= high:
            said.append(
                f"{count} of {figures['groups']} groups fell to {name}, where {mean:g} were expected and {low} to {high} are usual (95 %); of chats alike filter keeps the held-out one"
            )
    for character in characters:
        if (count := figures[f"test_{character}"]) < LEAST:
            said.append(f"{character} has {count} test chats, fewer than {LEAST}: figures over them will have wide intervals")
    return said
