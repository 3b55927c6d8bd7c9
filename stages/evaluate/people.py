"""What people have to do with an evaluation: the page that they are sent, its key, and what they said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.evaluate import blind_page, blind_pairs, preferences, ratings
from stages.evaluate.inputs import Exchange
from stages.evaluate.preferences import Figures, Preferences
from stages.evaluate.scores import Bootstrap


@dataclass(frozen=True)
class Comparison:
    """reports/ab.html, reports/ab-key.json, and what the votes of whoever has sent ratings back say, of all characters and of each that has some."""

    page: str
    key: dict
    preferences: Preferences
    by_character: Mapping[str, Figures]


def compare(
    exchanges: Sequence[Exchange], answers: bytes, rated: Sequence[tuple[Path, dict]], arms: Sequence[str], count: int, settings: Bootstrap
) -> Comparison:
    """The comparison of two arms, the second against the first, on `count` of the evaluation prompts; `answers` are the bytes of answers.jsonl, `rated` its ratings.

    Ratings that name other answers are not counted, nor are those of other arms. Raises UserError where one speaks of answers that were never shown.
    """
    first, second = arms
    pair, (digest, salt) = (first, second), blind_pairs.identified(answers)
    asked = [one for one in exchanges if one.set == "evaluation" and one.turn == 1]
    items = blind_pairs.items(asked, pair, count, settings.seed, salt)
    shown = blind_pairs.shown(items, blind_pairs.in_order(answers), salt)
    meaning = blind_pairs.places(asked, salt)
    given = [ratings.votes(rating, meaning, path) for path, rating in rated if rating["answers"] == digest]
    counted = ratings.counted([vote for votes in given for vote in votes], pair)
    figures = preferences.figures(counted, pair, settings)
    each = {
        name: preferences.figures([vote for vote in counted if vote.character == name], pair, settings) for name in sorted({vote.character for vote in counted})
    }
    strange = sum(any(vote.arms != set(pair) for vote in votes) for votes in given)
    return Comparison(blind_page.render(shown), blind_pairs.key(items, shown, salt), Preferences(pair, figures, len(rated) - len(given), strange), each)
