"""An answer as it comes: the pieces of a speaker's reply, each plain text, and one sentence where there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import openai

from stages.common import chat_api
from tools.chat.plain import one_line, plain
from tools.chat.talk import WHOLE

NO_KEY = "none"  # the SDK wants one; a server without a key does not look at it
TO_CONNECT = 10.0  # seconds


@dataclass(frozen=True)
class Speaker:
    """A model to talk to: the OpenAI base URL (http://127.0.0.1:PORT/v1) of its server, the key, None where it needs none, and its name there."""

    url: str
    key: str | None
    model: str


@dataclass(frozen=True)
class Piece:
    """Some words of an answer; `finish` says with the last piece, which may be empty, how it ended ("stop", "length")."""

    text: str
    finish: str | None = None


class Unanswered(Exception):
    """Why there is no answer, or not all of it, in one sentence."""


def sampling(params: Mapping) -> dict:
    """The fields of a request by which the stage answer samples; min_p is vLLM's own, which the SDK sends on as it is."""
    return {name: params[f"answer.{name}"] for name in ("temperature", "top_p", "max_tokens")} | {"extra_body": {"min_p": params["answer.min_p"]}}


async def answer(speaker: Speaker, messages: Iterable[Mapping], sampling: Mapping) -> AsyncIterator[Piece]:
    """The pieces of an answer as they come. Whoever stops asking, or is cancelled, ends the request: the server then stops too.

    Raises Unanswered where the server does not answer, says nothing or breaks off.
    """
    said, finish = False, None
    async with _asking(speaker) as client:
        stream = await client.chat.completions.create(model=speaker.model, messages=list(messages), stream=True, **sampling)
        async with stream:
            async for event in stream:
                for choice in event.choices[:1]:
                    text = plain(choice.delta.content or "")
                    said, finish = said or bool(text.strip()), choice.finish_reason or finish
                    if text:
                        yield Piece(text)
    if finish is None:
        raise Unanswered("the server broke off in the middle of its answer")
    if not said:
        raise Unanswered("the model said nothing")
    yield Piece("", one_line(finish)[:40] or WHOLE)


async def served(speaker: Speaker) -> list[str]:
    """The names of the models that a server knows. Raises Unanswered."""
    async with _asking(speaker) as client:
        return [model.id async for model in client.models.list()]


@asynccontextmanager
async def _asking(speaker: Speaker) -> AsyncIterator[openai.AsyncOpenAI]:
    """A client of the speaker's server, for one request; what the wire raises becomes Unanswered."""
    try:
        async with chat_api.client(speaker.url, speaker.key or NO_KEY, at_once=1, timeout=TO_CONNECT) as client:
            yield client
    except openai.APIError as error:
        raise Unanswered(_why(speaker, error)) from None
    except (AttributeError, TypeError, ValueError, LookupError) as error:  # of a reply that is JSON, and another thing altogether
        raise Unanswered(f"{speaker.url} sent what is no answer of a chat model ({type(error).__name__})") from None


def _why(speaker: Speaker, error: openai.APIError) -> str:
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        refusal = "refuses the key" if speaker.key else "asks for a key, and the environment variable of --api-key-env (DRAMATIS_API_KEY) holds none"
        return f"{speaker.url} {refusal}: {_short(chat_api.said(error))}"
    if isinstance(error, openai.APIStatusError):
        return f"{speaker.url} answered with status {error.status_code}: {_short(chat_api.said(error))}"
    if isinstance(error, openai.APIConnectionError):
        if chat_api.never_connected(chat_api.causes(error)):
            return f"nothing answers at {speaker.url}"
        return f"the connection to {speaker.url} broke off"
    return f"{speaker.url} gave up: {_short(error.message)}"


def _short(said: str) -> str:
    line = one_line(said)
    return line if len(line) <= 300 else line[:297] + "..."
