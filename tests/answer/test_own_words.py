"""Who really spoke: margins by hand, and on the answers that the real server and the real scores gave."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from stages.answer.own_words import SAMPLE, margin, sample
from stages.common.errors import UserError


def rows(own: list[float], other: list[float], tokens: int = 100) -> list[dict]:
    """Nats a token of each answer under the arm `tuned`, whose answers they are said to be, and under `prompted`."""
    return [
        {"arm": arm, "id": f"eval-{number:03}", "nll": nats * tokens, "tokens": tokens}
        for arm, values in (("tuned", own), ("prompted", other))
        for number, nats in enumerate(values)
    ]


def answers(count: int, text: str = "Indeed.") -> list[dict]:
    return [{"arm": "tuned", "set": "evaluation", "id": f"eval-{n:03}", "character": "h", "prompt": f"Q{n}?", "answer": text} for n in range(count)]


def told(question: Mapping) -> str:
    return f"You are {question['character']}, asked {question['prompt']}"


def test_the_margin_is_the_mean_of_the_differences_a_token() -> None:
    assert margin("tuned", rows([1.0, 2.0, 1.5], [1.5, 2.5, 2.3])) == pytest.approx(0.6)


def test_each_answer_counts_the_same_however_long() -> None:
    both = rows([1.0], [1.5], tokens=10) + [row | {"id": "eval-999"} for row in rows([1.0], [1.1], tokens=1000)]
    assert margin("tuned", both) == pytest.approx(0.3)


def test_answers_that_are_likelier_under_the_other_model_end_the_stage() -> None:
    with pytest.raises(UserError, match=r"answers of tuned are 0\.500 nats a token likelier under the other model \(standard error 0\.\d+, 4 answers\)"):
        margin("tuned", rows([1.5, 2.5, 2.3, 1.9], [1.0, 2.0, 1.9, 1.3]))


@pytest.mark.parametrize(
    ("own", "other"),
    [([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]), ([1.02, 2.02, 3.02], [1.0, 2.0, 3.0]), ([1.0, 2.0, 3.0], [1.9, 1.9, 1.9]), ([2.0], [1.0]), ([], [])],
    ids=["the same", "hundredths", "no pattern", "one answer says nothing", "silence"],
)
def test_what_chance_or_a_low_temperature_explains_is_a_figure_and_no_error(own: list[float], other: list[float]) -> None:
    assert margin("tuned", rows(own, other)) <= 0.0


def test_the_sample_is_spread_over_all_answers_and_skips_silence() -> None:
    chosen = sample(answers(48), told)
    assert [chat["id"] for chat in chosen] == [f"evaluation-eval-{n:03}-h" for n in range(0, 48, 6)] and len(chosen) == SAMPLE
    assert {chat["character"] for chat in chosen} == {"h"}
    assert chosen[0]["conversations"] == [
        {"from": "system", "value": "You are h, asked Q0?"},
        {"from": "human", "value": "Q0?"},
        {"from": "gpt", "value": "Indeed."},
    ]
    assert len(sample(answers(3), told)) == 3
    assert sample(answers(20, ""), told) == []
