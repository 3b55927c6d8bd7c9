"""Pairs for raters, made by hand, and raters who fill in the page as its script does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stages.evaluate import blind_pairs
from stages.evaluate.blind_pairs import Item
from stages.evaluate.inputs import ARMS, Answer, Exchange
from stages.evaluate.rubric import ASPECTS

PAIR = ("prompted", "tuned")


def exchange(number: int, character: str = "sherlock-holmes", **texts: str) -> Exchange:
    """An evaluation prompt with an answer of each arm."""
    said = {arm: texts.get(arm, f"The {arm[::-1]} of case {number} is a plain affair of mud, gaslight, and a button lost at the docks.") for arm in ARMS}
    answers = {arm: Answer(text, len(text.split()), False, ()) for arm, text in said.items()}
    return Exchange("evaluation", "cases", f"evaluation-{number:03}", character, "Sherlock Holmes", 1, f"What do you make of case {number}?", answers)


def page_of(exchanges: Sequence[Exchange], content: bytes = b"answers.jsonl", count: int = 60, seed: int = 5) -> tuple[list[Item], dict, dict]:
    """The items, what the page holds, and the key."""
    salt = blind_pairs.salt_of(content)
    items = blind_pairs.items(exchanges, PAIR, count, seed, salt)
    shown = blind_pairs.shown(items, content, salt)
    return items, shown, blind_pairs.key(items, shown, salt)


def attentive(kind: str, a: str, b: str) -> str:
    """What a rater says who likes tuned better than prompted, and either better than nobody."""
    return "a" if (a == "tuned" or b == "nobody") else "b"


def rating(
    key: Mapping,
    rater: str = "JW",
    says: Callable[[str, str, str], str] = attentive,
    scores: Callable[[str], int] = {"prompted": 3, "tuned": 4, "base": 2, "nobody": 1}.__getitem__,
) -> dict:
    """A ratings file of the whole page: `says` gives the preference from the kind of item and the arms of A and B, `scores` the score of an arm's answer in every aspect."""
    ratings = [
        {
            **{side: {"id": item[side]["id"], **dict.fromkeys(ASPECTS, scores(item[side]["arm"]))} for side in ("a", "b")},
            "preferred": says(item["kind"], item["a"]["arm"], item["b"]["arm"]),
        }
        for item in key["items"]
    ]
    return {"format": "dramatis-rating-1", "answers": key["answers"], "page": key["page"], "rater": rater, "ratings": ratings}
