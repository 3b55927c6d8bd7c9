"""A second opinion on each chat: another request scores it on the five aspects of the guide's rubric, with reasons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stages.common import critique, schemas
from stages.common.answer_store import Answer, key
from stages.common.completions import Request, Unanswered
from stages.common.endpoints import response_format
from stages.common.errors import printable
from stages.synthesize.parsing import NotAChat, parsed
from stages.synthesize.prompts import SERVED, body_of, written

MAX_TOKENS = 600  # five reasons of a sentence each have about 200


def body(chat: dict, card: dict, params: Mapping) -> dict:
    """The request to judge a chat, in the API's own fields."""
    return body_of(
        params,
        model=SERVED if params["synthesize.base_url"] is None else params["synthesize.critic"],
        messages=messages(chat, card),
        temperature=0.0,
        max_tokens=MAX_TOKENS,
        response_format=response_format("critique") if params["synthesize.structured"] else None,
    )


def messages(chat: dict, card: dict) -> list[dict]:
    """What a judge is told, and the chat."""
    return [{"role": "system", "content": critique.task(card)}, {"role": "user", "content": written(chat, card["name"], structured=False)}]


def criticise(
    chats: Mapping[int, dict],
    cards: Mapping[str, dict],
    params: Mapping,
    endpoint: str,
    ask: Callable[[str, list[Request]], Sequence[Answer | Unanswered]],
) -> tuple[dict[int, dict], list[tuple[int, str, Answer]], int]:
    """({number: critique}, (number, key in the store, answer) of each answer, how many have none) for chats by the number of their request.

    A chat whose critique cannot be had or read is not among the first. The request's number, and not the chat's place, is in the key: a chat that
    comes in before it later asks nobody again.
    """
    requests = [Request(number, body(chat, cards[chat["character"]], params)) for number, chat in chats.items()]
    found, answers, missing = {}, [], 0
    for request, outcome in zip(requests, ask("critic", requests), strict=True):
        if isinstance(outcome, Unanswered):
            missing += 1
            continue
        answers.append((request.index, key(endpoint, request.index, request.body), outcome))
        try:
            found[request.index] = scores(outcome)
        except NotAChat as fault:
            print(printable(f"critic: request {request.index}: {fault}"), flush=True)
    return found, answers, missing


def scores(answer: Answer) -> dict[str, dict]:
    """{aspect: {"reason", "score"}} of an answer. Raises NotAChat where it is no such thing."""
    value = parsed(answer.text)
    if problem := schemas.fault("critique", value):
        raise NotAChat("critique", problem, "an object as schemas/critique.schema.json has it")
    return value
