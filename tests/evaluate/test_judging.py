"""What a judge is asked and what is read in its reply, without a judge; and the figures of judgments made by hand."""

from __future__ import annotations

import json

import pytest

from stages.common import critique
from stages.common.characters import read as read_card
from stages.evaluate import judged
from stages.evaluate.inputs import ARMS, Answer, Exchange
from stages.evaluate.judging import PAIR, Judgment, Question, messages, questions, read
from stages.evaluate.rubric import ASPECTS
from stages.evaluate.scores import Bootstrap
from tests.evaluate.judges import choice, scores
from tests.evaluate.sample import ROOT

CARD = read_card(ROOT / "data/characters/sherlock-holmes.json")
SETTINGS = Bootstrap(5, 200, 0.95)


def conversation(number: int, *said: tuple[str, str, str], character: str = "sherlock-holmes") -> tuple[Exchange, ...]:
    return tuple(
        Exchange("evaluation", "cases", f"e{number}", character, "Sherlock Holmes", turn, f"Question {number}.{turn}?", answers)
        for turn, texts in enumerate(said, start=1)
        if (answers := {arm: Answer(text, len(text.split()), False, ()) for arm, text in zip(ARMS, texts, strict=True)})
    )


TALKS = [conversation(n, ("base says", f"prompted says {n}", f"tuned says so {n}")) for n in range(4)]


def said(talks: list, better: list[tuple[str, str]], score: int = 3) -> list[Judgment]:
    """All scores alike; of each pair what is better with tuned first and with prompted first."""
    values = {talk[0].id: dict(zip((PAIR, PAIR[::-1]), orders, strict=True)) for talk, orders in zip(talks, better, strict=True)}
    return [Judgment(one, json.loads(scores(score) if len(one.arms) == 1 else choice(values[one.conversation[0].id][one.arms]))) for one in questions(talks)]


def test_each_arm_is_scored_and_the_pair_compared_in_both_orders_prompt_by_prompt() -> None:
    asked = questions(TALKS)
    assert [one.arms for one in asked] == [("base",), ("prompted",), ("tuned",), ("tuned", "prompted"), ("prompted", "tuned")] * 4
    assert [one.conversation[0].id for one in asked[::5]] == ["e0", "e1", "e2", "e3"]


def test_a_judge_is_shown_the_words_and_not_whose_they_are() -> None:
    system, user = messages(Question(TALKS[2], PAIR[::-1]), CARD)
    assert user["content"] == (
        "The first dialogue:\n\nVisitor: Question 2.1?\nSherlock Holmes: prompted says 2\n\n"
        "The second dialogue:\n\nVisitor: Question 2.1?\nSherlock Holmes: tuned says so 2"
    )
    assert "the consulting detective of 221B Baker Street" in system["content"] and "{{char}}" not in system["content"]
    assert all(f"- {aspect}: " in system["content"] for aspect in (*ASPECTS, "overall"))
    halved = conversation(8, ("No \ud800 text.", "b", "c"))
    assert messages(Question(halved, ("base",)), CARD)[1]["content"] == "Visitor: Question 8.1?\nSherlock Holmes: No ? text."
    silent = conversation(9, ("", "  ", "Yes."))
    assert messages(Question(silent, ("base",)), CARD)[1]["content"] == "Visitor: Question 9.1?\nSherlock Holmes: (says nothing)"


def test_a_conversation_of_several_turns_is_judged_as_one() -> None:
    talk = conversation(1, ("a", "b", "c"), ("d", "e", "f"))
    assert messages(Question(talk, ("tuned",)), CARD)[1]["content"] == "Visitor: Question 1.1?\nSherlock Holmes: c\nVisitor: Question 1.2?\nSherlock Holmes: f"


def test_two_answers_that_are_the_same_are_a_tie_and_nobody_is_asked() -> None:
    talk = conversation(1, ("a", "the same ", "the same"))
    assert [one.arms for one in questions([talk])] == [("base",), ("prompted",), ("tuned",)]
    figures = judged.figures(judged.opinion([talk], said([talk], [("first", "first")])), SETTINGS)
    assert figures["tuned_vs_prompted.judge_ties"] == 1 and "judge.consistency_rate" not in figures


@pytest.mark.parametrize("wrapped", ["{}", "```json\n{}\n```", "<think>It has {braces}.</think>{}", "My scores: {} I hope it helps."])
def test_a_reply_is_read_out_of_a_fence_behind_thoughts_and_between_words(wrapped: str) -> None:
    assert read(wrapped.replace("{}", scores(4)), "stop", "critique")["voice"] == {"reason": "So it seems.", "score": 4}


@pytest.mark.parametrize(
    ("reply", "finish", "told"),
    [
        ("", "stop", "no JSON"),
        ("Good.", "stop", "no JSON"),
        (scores(4)[:-20], "length", "no JSON (it ended with 'length')"),
        ("[" * 100_000, "stop", "no JSON"),
        (scores(6), "stop", "6 is not one of [1, 2, 3, 4, 5]"),
        (scores(4).replace("4", "4.0"), "stop", "is not of type 'integer'"),
        (scores(4).replace("4", '"4"'), "stop", "is not"),
        (scores(4).replace("}, ", '}, "overall": 3, ', 1), "stop", "Additional properties are not allowed"),
        (scores(4, "\ud800"), "stop", "half a surrogate pair"),
        (choice("first"), "stop", "'overall' was unexpected"),
    ],
)
def test_a_reply_that_is_not_valid_is_never_guessed(reply: str, finish: str, told: str) -> None:
    with pytest.raises(ValueError, match="(?s).*") as failure:
        read(reply, finish, "critique")
    assert told in str(failure.value)


def test_a_verdict_that_flips_is_a_tie_and_so_is_one_that_holds_in_one_order_alone() -> None:
    orders = [("first", "second"), ("second", "first"), ("first", "first"), ("first", "tie")]
    figures = judged.figures(judged.opinion(TALKS, said(TALKS, orders)), SETTINGS)
    assert [figures[f"tuned_vs_prompted.judge_{name}"] for name in ("wins", "ties", "losses")] == [1, 2, 1]
    assert figures["tuned_vs_prompted.judge_win_rate"].value == 0.5 and figures["tuned_vs_prompted.judge_p"] == 1
    assert figures["judge.consistency_rate"].value == 0.5
    assert figures["judge.first_rate"] == pytest.approx(5 / 7)


def test_what_was_not_judged_takes_what_is_paired_with_it_along() -> None:
    all_said = said(TALKS, [("first", "second")] * 4)
    gone = {("e0", ("base",)), ("e1", PAIR)}
    partly = [
        Judgment(one.question, None, "no JSON", capped=one.question.arms == PAIR) if (one.question.conversation[0].id, one.question.arms) in gone else one
        for one in all_said
    ]
    opinion = judged.opinion(TALKS, partly)
    assert [talk[0].id for talk, _ in opinion.scored] == ["e1", "e2", "e3"]
    assert [one.conversation[0].id for one in opinion.compared] == ["e0", "e2", "e3"]
    assert judged.counts(opinion) == {"judge.questions": 20, "judge.unread": 1, "judge.not_asked": 1}


def test_each_characters_figures_are_its_own_and_none_where_nothing_was_judged() -> None:
    others = [conversation(n, ("a", f"b {n}", f"c {n}"), character="john-silver") for n in (7, 8)]
    opinion = judged.opinion(TALKS + others, said(TALKS + others, [("first", "second")] * 4 + [("second", "first")] * 2))
    assert judged.figures(opinion.of("john-silver"), SETTINGS)["tuned_vs_prompted.judge_losses"] == 2
    assert judged.figures(opinion.of("sherlock-holmes"), SETTINGS)["tuned_vs_prompted.judge_wins"] == 4
    assert judged.figures(opinion.of("elizabeth-bennet"), SETTINGS) == {"judge.scored": 0, "judge.compared": 0}


def test_people_and_the_judge_are_asked_for_the_same_aspects_in_the_same_order() -> None:
    assert tuple(ASPECTS) == tuple(critique.ASPECTS)
