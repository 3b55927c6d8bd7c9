"""How much of what could be drawn is in the chats that came of it, and how much the chats repeat each other."""

from __future__ import annotations

from collections.abc import Sequence

from stages.common.chats import normal, spoken
from stages.synthesize.draws import LENGTHS, Draw, Product


def coverage(drawn: Sequence[Draw], product: Product) -> dict[str, float]:
    """Shares, 0 to 1, of what there is to draw that these draws hold.

    Of scenarios those that fit each character, of examples the chats that the teacher may see, of ages and stations those of visitors whom no scenario names.
    """
    anybody = [draw for draw in drawn if not draw.scenario.get("visitor")]
    lists = product.visitors
    return {
        "coverage.scenarios": _share(
            len({(draw.character, draw.scenario["id"]) for draw in drawn}), sum(len(product.of(character)) for character in product.examples)
        ),
        "coverage.ages": _share(len({draw.age for draw in anybody}), len(set(lists["ages"]))),
        "coverage.stations": _share(len({draw.station for draw in anybody}), len(set(lists["stations"]))),
        "coverage.moods": _share(len({draw.mood for draw in drawn}), len(set(lists["moods"]))),
        "coverage.lengths": _share(len({draw.length for draw in drawn}), len(LENGTHS)),
        "coverage.exchanges": _share(len({draw.exchanges for draw in drawn}), len(product.exchanges)),
        "coverage.examples": _share(len({chat["id"] for draw in drawn for chat in draw.examples}), sum(map(len, product.examples.values()))),
    }


def distinct(chats: Sequence[dict]) -> dict[str, float]:
    """Distinct-n of the character's words, n from 1 to 3: different n-grams over all n-grams (Li et al. 2016, arXiv:1510.03055). It falls with the amount of text."""
    replies = [normal(reply).split() for chat in chats for reply in spoken(chat, "gpt")]
    found = {}
    for n in (1, 2, 3):
        different = {gram for words in replies for gram in zip(*(words[start:] for start in range(n)), strict=False)}
        found[f"distinct_{n}"] = _share(len(different), sum(max(0, len(words) - n + 1) for words in replies))
    return found


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0
