"""Asks an OpenAI-compatible endpoint many questions at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from openai import APIConnectionError, APIStatusError, APITimeoutError, AsyncOpenAI
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
    async with AsyncOpenAI(base_url=url, api_key=key, max_retries=0, timeout=TIMEOUT_SECONDS) as client:
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


async def _ask(client: AsyncOpenAI, request: dict) -> Answer:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            reply = await client.chat.completions.create(**request)
        except APIStatusError as error:
            if (error.status_code != 429 and error.status_code < 500) or attempt == ATTEMPTS:
                raise UserError(f"the endpoint answered {error.status_code} to model {request['model']}: {error.message[:300]}") from None
            wait = float(error.response.headers.get("retry-after") or 2**attempt)
        except (APIConnectionError, APITimeoutError) as error:
            if attempt == ATTEMPTS:
                raise UserError(f"no answer from {client.base_url}: {error}") from None
            wait = 2.0**attempt
        else:
            choice, usage = reply.choices[0], reply.usage
            return Answer(choice.message.content or "", choice.finish_reason, usage.prompt_tokens if usage else 0, usage.completion_tokens if usage else 0)
        await asyncio.sleep(min(wait, 60.0))
    raise AssertionError("unreachable")
