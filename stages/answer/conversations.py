"""Conversations of one or several turns, held with many at once: all first prompts, then all second ones, each after what was said before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stages.common.answer_store import Answer
from stages.common.errors import UserError

Messages = list[dict[str, str]]
CHARACTERS_A_TOKEN = 4  # of English prose, the usual rule of thumb


Open = list[tuple[Mapping, Messages]]
"""Every question that has a turn, with its messages so far."""


def hold(
    questions: Sequence[Mapping],
    opening: Callable[[Mapping], Messages],
    prompt: Callable[[int, Open], list[str]],
    answer: Callable[[int, Open], list[Answer]],
) -> list[list[tuple[str, Answer]]]:
    """For each question, in order, what the visitor said in each turn and what was answered; as many turns as the question has "prompts".

    `opening` gives the messages before the first prompt. `prompt` takes the number of a turn, from 1, and what is open, and gives the visitor's words to each;
    `answer` takes the same with those words as the last message. What was said goes on as it is, without the white space around it, also where it was cut off.
    """
    said: list[list[tuple[str, Answer]]] = [[] for _ in questions]
    so_far = [list(opening(question)) for question in questions]
    for turn in range(1, 1 + max((len(question["prompts"]) for question in questions), default=0)):
        places = [place for place, question in enumerate(questions) if len(question["prompts"]) >= turn]
        prompts = prompt(turn, [(questions[place], list(so_far[place])) for place in places])
        for place, words in zip(places, prompts, strict=True):
            so_far[place].append({"role": "user", "content": words})
        answers = answer(turn, [(questions[place], list(so_far[place])) for place in places])
        for place, words, given in zip(places, prompts, answers, strict=True):
            said[place].append((words, given))
            so_far[place].append({"role": "assistant", "content": given.text.strip()})
    return said


def as_written(turn: int, conversations: Open) -> list[str]:
    """The prompts of a turn as the questions have them."""
    return [question["prompts"][turn - 1] for question, _ in conversations]


def check_room(questions: Sequence[Mapping], told: Callable[[Mapping], str], longest: Callable[[Mapping], int], positions: int) -> None:
    """Raises UserError where a conversation, with each answer as long as it may be (`longest`, in tokens), takes more tokens than the model's `positions`.

    By the rule of thumb, before anything is served: the server counts exactly, but only when the last turn is put to it.
    """
    for question in questions:
        turns = len(question["prompts"])
        prompts = len("".join([told(question), *question["prompts"]])) // CHARACTERS_A_TOKEN
        if turns * longest(question) + prompts > positions:
            raise UserError(
                f"{question['set']} prompt {question['id']} to {question['character']}: {turns} answers of {longest(question)} tokens and about {prompts} tokens "
                f"of prompts are more than the {positions} that the model takes; lower answer.max_tokens"
            )
