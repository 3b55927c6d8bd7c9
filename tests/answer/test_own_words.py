"""Who really spoke: margins by hand, and on the answers that the real server and the real scores gave."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from stages.answer.own_words import SAMPLE, margin, sample
from stages.common.answer_store import Answer
from stages.common.errors import UserError


def rows(own: list[float], other: list[float], tokens: int = 100) -> list[dict]:
    """Nats a token of each answer under the arm `tuned`, whose answers they are said to be, and under `prompted`."""
    return [
        {"arm": arm, "id": f"eval-{number:03}", "nll": nats * tokens, "tokens": tokens}
        for arm, values in (("tuned", own), ("prompted", other))
        for number, nats in enumerate(values)
    ]


def spoken(count: int, *texts: str) -> list[dict]:
    """Conversations of one arm, with as many turns as there are texts."""
    return [
        {"arm": "tuned", "set": "redteam", "id": f"red-{n:03}", "character": "h", "prompts": ["Q"]}
        | {"said": [f"Q{n}.{turn}?" for turn in range(len(texts))], "answers": [Answer(text, "stop", 9, 3) for text in texts]}
        for n in range(count)
    ]


def told(question: Mapping) -> str:
    return f"You are {question['character']}, asked {question['said'][0]}"


def test_the_margin_is_the_mean_of_the_differences_a_token() -> None:
    assert margin("tuned", rows([1.0, 2.0, 1.5], [1.5, 2.5, 2.3])) == pytest.approx(0.6)


def test_each_answer_counts_the_same_however_long() -> None:
    both = rows([1.0], [1.5], tokens=10) + [row | {"id": "eval-999"} for row in rows([1.0], [1.1], tokens=1000)]
    assert margin("tuned", both) == pytest.approx(0.3)


def test_answers_that_are_likelier_under_the_other_model_end_the_stage() -> None:
    with pytest.raises(UserError, match=r"answers of tuned are 0\.500 nats a token likelier under the other model \(standard error 0\.\d+, 4 conversations\)"):
        margin("tuned", rows([1.5, 2.5, 2.3, 1.9], [1.0, 2.0, 1.9, 1.3]))


@pytest.mark.parametrize(
    ("own", "other"),
    [([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]), ([1.02, 2.02, 3.02], [1.0, 2.0, 3.0]), ([1.0, 2.0, 3.0], [1.9, 1.9, 1.9]), ([2.0], [1.0]), ([], [])],
    ids=["the same", "hundredths", "no pattern", "one answer says nothing", "silence"],
)
def test_what_chance_or_a_low_temperature_explains_is_a_figure_and_no_error(own: list[float], other: list[float]) -> None:
    assert margin("tuned", rows(own, other)) <= 0.0


def test_the_sample_is_spread_over_all_conversations_and_skips_silence() -> None:
    chosen = sample(spoken(48, "Indeed."), told)
    assert [chat["id"] for chat in chosen] == [f"redteam-red-{n:03}-h" for n in range(0, 48, 6)] and len(chosen) == SAMPLE
    assert {chat["character"] for chat in chosen} == {"h"}
    assert len(sample(spoken(3, "Indeed."), told)) == 3
    assert sample(spoken(20, ""), told) == []
    assert sample(spoken(20, "Indeed.", " ", "No."), told) == []


def test_a_conversation_of_several_turns_is_one_chat_with_all_that_was_said() -> None:
    (chat,) = sample(spoken(1, "Indeed. ", "No."), told)
    assert chat["conversations"] == [
        {"from": "system", "value": "You are h, asked Q0.0?"},
        {"from": "human", "value": "Q0.0?"},
        {"from": "gpt", "value": "Indeed."},
        {"from": "human", "value": "Q0.1?"},
        {"from": "gpt", "value": "No."},
    ]
