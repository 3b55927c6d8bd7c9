"""Conversations of one or several turns, held with many at once: all first prompts, then all second ones, each after what was said before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stages.common.answer_store import Answer
from stages.common.errors import UserError

Messages = list[dict[str, str]]
CHARACTERS_A_TOKEN = 4  # of English prose, the usual rule of thumb


def hold(
    questions: Sequence[Mapping], opening: Callable[[Mapping], Messages], answer: Callable[[int, list[tuple[Mapping, Messages]]], list[Answer]]
) -> list[list[Answer]]:
    """The answers to each question's "prompts", one for each, the questions in order.

    `opening` gives the messages before the first prompt; `answer` takes the number of a turn, from 1, and every question that has such a turn with
    its messages so far, and gives what is said to each. What was said goes on as it is, without the white space around it, also where it was cut off.
    """
    said: list[list[Answer]] = [[] for _ in questions]
    so_far = [list(opening(question)) for question in questions]
    for turn in range(1, 1 + max((len(question["prompts"]) for question in questions), default=0)):
        places = [place for place, question in enumerate(questions) if len(question["prompts"]) >= turn]
        for place in places:
            so_far[place].append({"role": "user", "content": questions[place]["prompts"][turn - 1]})
        for place, given in zip(places, answer(turn, [(questions[place], list(so_far[place])) for place in places]), strict=True):
            said[place].append(given)
            so_far[place].append({"role": "assistant", "content": given.text.strip()})
    return said


def check_room(questions: Sequence[Mapping], told: Callable[[Mapping], str], max_tokens: int, positions: int) -> None:
    """Raises UserError where a conversation, with answers as long as they may be, takes more tokens than the model's `positions`.

    By the rule of thumb, before anything is served: the server counts exactly, but only when the last turn is put to it.
    """
    for question in questions:
        turns = len(question["prompts"])
        prompts = len("".join([told(question), *question["prompts"]])) // CHARACTERS_A_TOKEN
        if turns * max_tokens + prompts > positions:
            raise UserError(
                f"{question['set']} prompt {question['id']} to {question['character']}: {turns} answers of answer.max_tokens {max_tokens} and about {prompts} tokens "
                f"of prompts are more than the {positions} that the model takes; lower answer.max_tokens"
            )
