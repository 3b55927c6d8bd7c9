"""Asks an OpenAI-compatible endpoint many questions at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

from openai import APIConnectionError, APIStatusError, APITimeoutError, AsyncOpenAI, DefaultAsyncHttpxClient
from tqdm import tqdm

from stages.common.errors import UserError

ATTEMPTS = 5
TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True)
class Answer:
    """What came back: the text, why it ended ("stop" or "length"), and the tokens it took."""

    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int


def ask(url: str, key: str, requests: list[dict], concurrency: int, label: str) -> list[Answer]:
    """Send chat completion requests (the API's own fields), `concurrency` at a time; answers come in the order of the requests.

    429, 5xx, refused connections and time-outs are tried again up to five times, with growing waits.
    Raises UserError with the server's words for any other refusal, or when the last attempt fails.
    """
    return asyncio.run(_ask_all(url, key, requests, concurrency, label))


async def _ask_all(url: str, key: str, requests: list[dict], concurrency: int, label: str) -> list[Answer]:
    gate = asyncio.Semaphore(concurrency)
    # A company's proxy must not come between us and a server on this machine.
    here = urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")
    http = DefaultAsyncHttpxClient(trust_env=False) if here else None
    async with AsyncOpenAI(base_url=url, api_key=key, max_retries=0, timeout=TIMEOUT_SECONDS, http_client=http) as client:
        with tqdm(total=len(requests), desc=label, unit="answer", dynamic_ncols=True) as bar:

            async def one(request: dict) -> Answer:
                async with gate:
                    answer = await _ask(client, request)
                bar.update()
                return answer

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_plain(one(request))) for request in requests]
    answers = [task.result() for task in tasks]
    failed = [answer for answer in answers if isinstance(answer, UserError)]
    if failed:
        raise failed[0]
    return answers


async def _plain(work) -> Answer | UserError:
    """A failure as a value: one failed request must not throw away the answers of the others."""
    try:
        return await work
    except UserError as error:
        return error


def _seconds(after: str | None, otherwise: float) -> float:
    """Retry-After in seconds; `otherwise` where there is none, or a date (RFC 9110, 10.2.3)."""
    try:
        return float(after)
    except (TypeError, ValueError):
        return otherwise


async def _ask(client: AsyncOpenAI, request: dict) -> Answer:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            reply = await client.chat.completions.create(**request)
        except APIStatusError as error:
            if (error.status_code != 429 and error.status_code < 500) or attempt == ATTEMPTS:
                said = error.message.replace(client.api_key, "***")[:300]  # some servers repeat the key
                raise UserError(f"the endpoint answered {error.status_code} to model {request['model']}: {said}") from None
            wait = _seconds(error.response.headers.get("retry-after"), 2.0**attempt)
        except (APIConnectionError, APITimeoutError) as error:
            if attempt == ATTEMPTS:
                raise UserError(f"no answer from {client.base_url}: {error}") from None
            wait = 2.0**attempt
        except ValueError as error:
            raise UserError(f"{client.base_url} sent no JSON to model {request['model']}: {error}") from None
        else:
            if (answer := _answer(reply)) is None:
                raise UserError(f"{client.base_url} sent no chat completion to model {request['model']}: {' '.join(str(reply).split())[:200]}")
            return answer
        await asyncio.sleep(min(wait, 60.0))
    raise AssertionError("unreachable")


def _answer(reply: object) -> Answer | None:
    """What a reply says, None where it is no chat completion: the SDK does not check what a server sends."""
    choices, usage = getattr(reply, "choices", None), getattr(reply, "usage", None)
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = getattr(choice, "message", None)
    content = getattr(message, "content", None) or ""
    if message is None or not isinstance(content, str):
        return None
    text = content.encode("utf-8", "replace").decode()  # JSON can hold half a surrogate pair, UTF-8 cannot
    tokens = (getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens"))
    return Answer(text, str(getattr(choice, "finish_reason", None) or "stop"), *(count if isinstance(count, int) else 0 for count in tokens))
