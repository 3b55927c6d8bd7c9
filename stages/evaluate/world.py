"""Does he know his world, and does he know what he cannot know: verdicts on answers to data/prompts/world.jsonl, and their rates.

No model judges. A fact is "correct" where the answer claims an accepted form (claims.py says what that means), else "wrong": so is "I do not know". What he cannot
know he "deflected", "invented" or "broke" character over. Whoever says nothing has deflected nothing: an empty answer is "invented".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stages.common import in_character
from stages.common.errors import UserError
from stages.common.world_questions import KINDS
from stages.evaluate.claims import claims, tokens
from stages.evaluate.deflection import deflects
from stages.evaluate.inputs import Exchange
from stages.evaluate.intervals import Estimate, paired_difference, wilson

VERDICTS = {"fact": ("correct", "wrong"), "unknowable": ("deflected", "invented", "broke")}
"""The verdicts of each kind of question; one holds of each answer."""


def verdict(question: Mapping, answer: str, name: str) -> str:
    """The verdict on an answer to a question of schemas/world.schema.json by the character called `name`.

    A break of character is looked for first, then claims of `invented` forms, then deflection: who says "I know nothing of it, but
    it was Armstrong" has invented. A fact that is told out of character is a fact still; breaks have a rate of their own.
    """
    if question["kind"] == "fact":
        return "correct" if claims(answer, question["accepted"]) else "wrong"
    if not in_character.in_character(answer, name):
        return "broke"
    if claims(answer, question["invented"]):
        return "invented"
    return "deflected" if deflects(answer, question["prompt"]) else "invented"


@dataclass(frozen=True)
class Row:
    """One question with the answer and the verdict of every arm."""

    question: Mapping
    answers: Mapping[str, str]
    verdicts: Mapping[str, str]


def row(question: Mapping, answers: Mapping[str, str], name: str) -> Row:
    """The row of a question, given each arm's answer and the character's name."""
    return Row(question, answers, {arm: verdict(question, answer, name) for arm, answer in answers.items()})


def rows(exchanges: Iterable[Exchange], questions: Iterable[Mapping]) -> list[Row]:
    """The rows of exchanges of the set "world". Raises UserError where a question is not among `questions`, or was asked in other words."""
    known = {question["id"]: question for question in questions}
    found = []
    for one in exchanges:
        question = known.get(one.id)
        if question is None or (question["character"], question["prompt"]) != (one.character, one.prompt):
            raise UserError(
                f"data/answers/answers.jsonl: {one.character} was not asked {one.id} as data/prompts/world.jsonl has it now; run the answer stage again"
            )
        found.append(row(question, {arm: answer.text for arm, answer in one.answers.items()}, one.name))
    return found


def score(rows: Sequence[Row], confidence: float) -> dict[str, Estimate | float]:
    """The figures of rows that all have the same arms, by their names in metrics/evaluate.json.

    ARM.world_VERDICT_rate with Wilson's interval, of the questions of the verdict's kind; the same by topic, ARM.world_VERDICT_rate.TOPIC; tuned_vs_ARM.world_VERDICT_rate, tuned's
    rate minus another arm's over the same questions; and ARM.world_chance_rate, see `chance`. world.facts and world.unknowables count questions. A rate of nothing is left out.
    """
    arms = list(rows[0].verdicts) if rows else []
    result: dict[str, Estimate | float] = {f"world.{kind}s": sum(row.question["kind"] == kind for row in rows) for kind in VERDICTS}
    for kind, verdicts in VERDICTS.items():
        own = [row for row in rows if row.question["kind"] == kind]
        if not own:
            continue
        for arm in arms:
            for name in verdicts:
                result[f"{arm}.world_{name}_rate"] = _rate(own, arm, name, confidence)
                for topic in KINDS[kind]:
                    if some := [row for row in own if row.question["topic"] == topic]:
                        result[f"{arm}.world_{name}_rate.{topic}"] = _rate(some, arm, name, confidence)
        for arm in arms:
            if "tuned" in arms and arm != "tuned":
                for name in verdicts:
                    found = [[row.verdicts[which] == name for row in own] for which in (arm, "tuned")]
                    result[f"tuned_vs_{arm}.world_{name}_rate"] = paired_difference(*found, confidence)
    return result | chance(rows)


def _rate(rows: Sequence[Row], arm: str, name: str, confidence: float) -> Estimate:
    return wilson(sum(row.verdicts[arm] == name for row in rows), len(rows), confidence)


def by_character(rows: Sequence[Row], confidence: float) -> dict[str, dict[str, Estimate | float]]:
    """The same figures for each character alone, in alphabetical order."""
    return {name: score([row for row in rows if row.question["character"] == name], confidence) for name in sorted({row.question["character"] for row in rows})}


def chance(rows: Sequence[Row]) -> dict[str, float]:
    """ARM.world_chance_rate: how often an arm would be correct, had its answers been given to other questions.

    The mean over all pairs of an answer to a fact and another question of the same character and topic that shares no accepted form: what rambling, lists of names and
    easy forms are worth. A correct rate that is not above it shows no knowledge. An arm without such a pair is left out.
    """
    facts = [row for row in rows if row.question["kind"] == "fact"]
    forms = [{" ".join(tokens(form)) for form in row.question["accepted"]} for row in facts]
    lucky, pairs = Counter(), Counter()
    for place, answered in enumerate(facts):
        for other, asked in enumerate(facts):
            if forms[place].isdisjoint(forms[other]) and all(answered.question[key] == asked.question[key] for key in ("character", "topic")):
                for arm, answer in answered.answers.items():
                    pairs[arm] += 1
                    lucky[arm] += claims(answer, asked.question["accepted"])
    return {f"{arm}.world_chance_rate": round(lucky[arm] / count, 6) for arm, count in pairs.items()}
