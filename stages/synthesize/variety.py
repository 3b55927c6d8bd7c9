"""How much of what could be drawn is in the chats that came of it, and how much the chats repeat each other."""

from __future__ import annotations

from collections.abc import Sequence

from stages.common.chats import normal, spoken
from stages.common.distinct import distinct as share_of_different
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
    """Distinct-n of the character's words, n from 1 to 3, 0.0 where there is no n-gram."""
    replies = [normal(reply).split() for chat in chats for reply in spoken(chat, "gpt")]
    return {f"distinct_{n}": round(share_of_different(replies, n) or 0.0, 6) for n in (1, 2, 3)}


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0
