"""Ratings by people, as `python -m tools.ratings import` left them, beside what the judge gave the same answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from stages.common import characters
from stages.common.errors import UserError
from stages.common.files import read_lines
from stages.common.schemas import fault
from stages.evaluate import blind_pairs, inputs, ratings
from stages.evaluate.ratings import Vote
from stages.evaluate.rubric import ASPECTS
from tools.judge_check.agreement import Rated

ANSWERS, JUDGMENTS = Path("data/answers/answers.jsonl"), Path("data/judged/judgments.jsonl")


def read(folder: str | Path) -> list[Rated]:
    """Each aspect of each answer that both people and evaluate.judge scored. Files that rate other answers than data/answers has now are left out, and told.

    Raises UserError where a file is not what it should be, or nothing was judged.
    """
    judged = scores(JUDGMENTS)
    names = {character: card["name"] for character, card in characters.read_all().items()}
    exchanges = inputs.exchanges(inputs.read_answers(ANSWERS), names)
    digest, salt = blind_pairs.identified(ANSWERS.read_bytes())
    meaning = blind_pairs.places([one for one in exchanges if one.set == "evaluation"], salt)
    rated = ratings.read(folder)
    own = [(path, rating) for path, rating in rated if rating["answers"] == digest]
    if len(own) < len(rated):
        print(f"{len(rated) - len(own)} of {len(rated)} files in {folder} rate other answers than {ANSWERS} holds: left out")
    return beside([vote for path, rating in own for vote in ratings.votes(rating, meaning, path)], judged)


def beside(votes: Iterable[Vote], judged: Mapping[tuple[str, str, str], Mapping]) -> list[Rated]:
    """What people and the judge gave each answer, aspect by aspect; `judged` has its scores by prompt, character and arm."""
    people: dict[tuple[str, tuple[str, str, str]], list[float]] = {}
    for vote in votes:
        for arm, given in vote.scores.items():
            for aspect in ASPECTS:
                people.setdefault((aspect, (vote.prompt, vote.character, arm)), []).append(given[aspect])
    places = sorted({place for _, place in people} & set(judged))
    return [Rated(" ".join(place), aspect, tuple(people[aspect, place]), judged[place][aspect]["score"]) for aspect in ASPECTS for place in places]


def scores(path: Path) -> dict[tuple[str, str, str], Mapping]:
    """What the judge gave each answer, by prompt, character and arm. Raises UserError where the file holds none, or one that does not fit its schema."""
    found = {}
    for number, record in read_lines(path):
        if isinstance(record, ValueError):
            raise UserError(f"{path}:{number}: {record}")
        if len(record["arms"]) == 1 and "value" in record:
            if problem := fault("critique", record["value"]):
                raise UserError(f"{path}:{number}: {problem}")
            found[record["id"], record["character"], record["arms"][0]] = record["value"]
    if not found:
        raise UserError(f"{path}: the judge scored nothing; set evaluate.judge.model in params.yaml and run `dvc repro evaluate`")
    return found
