"""How much of what could be drawn was drawn, and how much the answers repeat each other."""

from __future__ import annotations

from collections.abc import Sequence

from stages.common.chats import normal, spoken
from stages.synthesize.draws import Draw, Product


def coverage(drawn: Sequence[Draw], product: Product) -> dict[str, float]:
    """Shares, 0 to 1: of the scenarios that fit each character, of the ages, stations and moods, of the chats that may be shown; of the visitors, how many differ."""
    scenarios = {(draw.character, draw.scenario["id"]) for draw in drawn}
    examples = {example["id"] for draw in drawn for example in draw.examples}
    visitors = {draw.visitor for draw in drawn}
    return {
        "coverage.scenarios": _share(len(scenarios), sum(len(product.of(character)) for character in product.examples)),
        "coverage.examples": _share(len(examples), sum(map(len, product.examples.values()))),
        "distinct.visitors": _share(len(visitors), len(drawn)),
    }


def distinct(chats: Sequence[dict]) -> dict[str, float]:
    """Distinct-n of the character's words, n from 1 to 3: different n-grams over all n-grams (Li et al. 2016, arXiv:1510.03055). It falls with the amount of text."""
    replies = [normal(reply).split() for chat in chats for reply in spoken(chat, "gpt")]
    found = {}
    for n in (1, 2, 3):
        grams = [tuple(words[start : start + n]) for words in replies for start in range(len(words) - n + 1)]
        found[f"distinct_{n}"] = _share(len(set(grams)), len(grams))
    return found


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0
