"""The judge's figures: each arm's scores by aspect, how often tuned is preferred to prompted, at equal length too, and how far the judge agrees with itself.

A comparison counts where the judge read both orders. The same arm preferred both times is a win or a loss; anything else, a flip too, is a tie. One conversation
is one trial.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stages.evaluate import length_controlled
from stages.evaluate.holm import holm
from stages.evaluate.inputs import ARMS, UNTRAINED, Conversation
from stages.evaluate.intervals import Estimate, wilson
from stages.evaluate.judging import ASPECTS, OVERALL, PAIR, Judgment, Question
from stages.evaluate.scores import Bootstrap, Scores
from stages.evaluate.sign_flips import sign_flips
from stages.evaluate.sign_test import sign_test, win_rate

WIN, TIE, LOSS = 1.0, 0.5, 0.0
POINTS = {"tie": TIE, PAIR[0]: WIN, PAIR[1]: LOSS}


@dataclass(frozen=True)
class Comparison:
    """What the judge says of tuned and prompted in one conversation, tuned first and prompted first; each value fits schemas/preference.schema.json."""

    conversation: Conversation
    tuned_first: Mapping
    prompted_first: Mapping

    def preferred(self, aspect: str) -> tuple[str, str]:
        """The arm that is better, or "tie", in each of the two orders."""
        orders = ((self.tuned_first, PAIR), (self.prompted_first, PAIR[::-1]))
        return tuple({"first": arms[0], "second": arms[1], "tie": "tie"}[value[aspect]["better"]] for value, arms in orders)

    def consistent(self, aspect: str) -> bool:
        """Whether both orders say the same."""
        return len(set(self.preferred(aspect))) == 1

    def points(self, aspect: str) -> float:
        """Tuned's: WIN, TIE or LOSS."""
        return POINTS[self.preferred(aspect)[0]] if self.consistent(aspect) else TIE


SAME = {aspect: {"reason": "Both say the same.", "better": "tie"} for aspect in (*ASPECTS, OVERALL)}


@dataclass(frozen=True)
class Opinion:
    """What a judge said of all conversations."""

    scored: Sequence[tuple[Conversation, Mapping[str, Mapping]]]
    """Each conversation all of whose arms have scores, with {arm: a value that fits schemas/critique.schema.json}; paired figures need all."""
    compared: Sequence[Comparison]
    asked: int
    unread: int
    capped: int

    def of(self, character: str) -> Opinion:
        """What it said of one character's."""
        scored = [one for one in self.scored if one[0][0].character == character]
        compared = [one for one in self.compared if one.conversation[0].character == character]
        return Opinion(scored, compared, self.asked, self.unread, self.capped)


def opinion(conversations: Iterable[Conversation], judgments: Sequence[Judgment]) -> Opinion:
    """The judgments put together by conversation, in the order of these."""
    found = {(*one.question.place, one.question.arms): one.value for one in judgments if one.value is not None}
    scored, compared = [], []
    for conversation in conversations:
        pair = Question(conversation, PAIR)
        each = {arm: found.get((*pair.place, (arm,))) for arm in ARMS}
        if all(each.values()):
            scored.append((conversation, each))
        orders = [SAME] * 2 if pair.settled else [found.get((*pair.place, arms)) for arms in (PAIR, PAIR[::-1])]
        if all(orders):
            compared.append(Comparison(conversation, *orders))
    capped = sum(one.capped for one in judgments)
    return Opinion(scored, compared, len(judgments), sum(one.value is None for one in judgments) - capped, capped)


def counts(said: Opinion) -> dict[str, int]:
    """How many questions there are, and how many have no judgment: none that can be read, or a cap."""
    return {"judge.questions": said.asked, "judge.unread": said.unread, "judge.not_asked": said.capped}


def figures(said: Opinion, settings: Bootstrap) -> Scores:
    """Every figure by its name in metrics/evaluate.json, but for those of which nothing was judged:

    - `ARM.judge_ASPECT` and `ARM.judge_mean`: mean scores, 1 to 5; `tuned_vs_ARM.judge_ASPECT`: tuned's minus that arm's; all with a paired bootstrap by prompt.
    - `tuned_vs_prompted.judge_ASPECT_p`: of the exact randomisation test on these differences, Holm's over the five aspects.
    - `tuned_vs_prompted.judge_win_rate`, with Wilson's interval, of `judge_wins`, `judge_ties` and `judge_losses`; `judge_p` of the exact sign test.
    - `tuned_vs_prompted.judge_length_controlled_win_rate`: what it would be at equal length.
    - `tuned_vs_prompted.judge_ASPECT_win_rate` and `judge_ASPECT_win_p`: the same by aspect, p Holm's over the five.
    - `judge.consistency_rate`: the share of pairs of which both orders say the same; `judge.first_rate`: of all verdicts for one arm, those for what was read first.
    - `judge.scored` and `judge.compared`: the conversations behind these.
    """
    return {
        **_scores(said.scored, settings),
        **_preferences(said.compared, settings.confidence),
        "judge.scored": len(said.scored),
        "judge.compared": len(said.compared),
    }


def _scores(scored: Sequence[tuple[Conversation, Mapping[str, Mapping]]], settings: Bootstrap) -> dict[str, Estimate]:
    if not scored:
        return {}
    table = np.array([[[value[arm][aspect]["score"] for aspect in ASPECTS] for arm in ARMS] for _, value in scored], dtype=float)
    table = np.concatenate([table, table.mean(axis=2, keepdims=True)], axis=2)  # (conversations, arms, aspects and their mean)
    count, names = len(table), [*ASPECTS, "mean"]
    flat = table.reshape(count, -1)
    samples = sum(settings.totals(flat, [one[0].character for one, _ in scored], "judge").values()).reshape(-1, len(ARMS), len(names)) / count
    whole, tuned = table.mean(axis=0), ARMS.index("tuned")
    result = {f"{arm}.judge_{name}": settings.around(whole[i, j], samples[:, i, j]) for i, arm in enumerate(ARMS) for j, name in enumerate(names)}
    for i, arm in enumerate(ARMS):
        if arm in UNTRAINED:
            result |= {
                f"tuned_vs_{arm}.judge_{name}": settings.around(whole[tuned, j] - whole[i, j], samples[:, tuned, j] - samples[:, i, j])
                for j, name in enumerate(names)
            }
    differences = (table[:, tuned, : len(ASPECTS)] - table[:, ARMS.index("prompted"), : len(ASPECTS)]).astype(int)
    chances = holm([sign_flips(column.tolist()) for column in differences.T])
    return result | {f"tuned_vs_prompted.judge_{aspect}_p": p for aspect, p in zip(ASPECTS, chances, strict=True)}


def _preferences(compared: Sequence[Comparison], confidence: float) -> dict[str, Estimate | int | float | None]:
    if not compared:
        return {}
    result: dict[str, Estimate | int | float | None] = {}
    tests = {}
    for aspect in (OVERALL, *ASPECTS):
        points = [one.points(aspect) for one in compared]
        wins, ties, losses = (points.count(point) for point in (WIN, TIE, LOSS))
        result[f"tuned_vs_prompted.judge_{'' if aspect == OVERALL else f'{aspect}_'}win_rate"] = win_rate(wins, ties, losses, confidence)
        tests[aspect] = sign_test(wins, losses)
        if aspect == OVERALL:
            result |= {f"tuned_vs_prompted.judge_{name}": count for name, count in (("wins", wins), ("ties", ties), ("losses", losses))}
    result["tuned_vs_prompted.judge_p"] = tests.pop(OVERALL)
    result |= {f"tuned_vs_prompted.judge_{aspect}_win_p": p for aspect, p in zip(tests, holm(list(tests.values())), strict=True)}
    longer = [sum(turn.answers[PAIR[0]].words - turn.answers[PAIR[1]].words for turn in one.conversation) for one in compared]
    controlled = length_controlled.win_rate([one.points(OVERALL) for one in compared], longer, confidence)
    if controlled:
        result["tuned_vs_prompted.judge_length_controlled_win_rate"] = controlled
    asked = [one for one in compared if not Question(one.conversation, PAIR).settled]
    if asked:
        result["judge.consistency_rate"] = wilson(sum(one.consistent(OVERALL) for one in asked), len(asked), confidence)
        chosen = [value[OVERALL]["better"] for one in asked for value in (one.tuned_first, one.prompted_first) if value[OVERALL]["better"] != "tie"]
        if chosen:  # a half where the order does not matter
            result["judge.first_rate"] = chosen.count("first") / len(chosen)
    return result
