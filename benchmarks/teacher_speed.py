"""`python -m benchmarks.teacher_speed [--seconds S]`: how fast the client of OpenAI-compatible endpoints asks, beside a plain loop over the SDK.

The server is a process of its own on loopback that answers S seconds (0.2) after each request. Requests have prompts of about 500 words. Ours keeps each
answer in a store on disk; the plain loop is 128 tasks at once by a semaphore over one AsyncOpenAI, and keeps them in a list. CPU time is the client's process.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import openai

from stages.common.answer_store import Answer, AnswerStore
from stages.common.completions import Request, Terms, all_answered, ask, key
from stages.common.errors import UserError, run
from tests.common.quick_endpoint import QuickEndpoint

WORDS = "He said that the " * 125


def requests(count: int) -> list[Request]:
    return [Request(n, {"model": "stub", "messages": [{"role": "user", "content": f"{n}. {WORDS}"}], "max_tokens": 400}) for n in range(count)]


def ours(url: str, count: int, at_once: int) -> list[str]:
    """The answers through our client, with an empty store."""
    with tempfile.TemporaryDirectory() as folder, AnswerStore(Path(folder) / "answers.sqlite") as store:
        return [answer.text for answer in all_answered(ask(lambda: (url, "none"), url, requests(count), Terms(at_once), "ours", store))]


def plain(url: str, count: int, at_once: int) -> list[str]:
    """The answers through what one would write without it."""

    async def ask_all() -> list[str]:
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            turn = asyncio.Semaphore(at_once)

            async def one(request: Request) -> str:
                async with turn:
                    reply = await client.chat.completions.create(**request.body)
                    return reply.choices[0].message.content

            return await asyncio.gather(*map(one, requests(count)))

    return asyncio.run(ask_all())


def measure(way: Callable[[str, int, int], list[str]], seconds: float, count: int, at_once: int) -> None:
    """Print the rate, its share of the ideal, and the client's CPU time of one way of asking."""
    with QuickEndpoint(seconds) as endpoint:
        began, used = time.monotonic(), time.process_time()
        answers = way(endpoint.url, count, at_once)
        took, cpu = time.monotonic() - began, time.process_time() - used
        if len(set(answers)) != count or endpoint.seen().requests != count:
            raise UserError(f"{len(set(answers))} answers to {count} requests, of which the server saw {endpoint.seen().requests}")
    rate, ideal = count / took, at_once / seconds
    print(
        f"{way.__name__:5} {at_once:3} at once: {rate:5.1f} requests/s, {rate / ideal:.1%} of the ideal {ideal:.0f}; CPU {1000 * cpu / count:.2f} ms/request",
        flush=True,
    )


def measure_stored(count: int) -> None:
    """Print the seconds of a run that finds all its answers in the store."""
    with tempfile.TemporaryDirectory() as folder, AnswerStore(Path(folder) / "answers.sqlite") as store:
        asked = requests(count)
        store.put({key("stub", request.index, request.body): Answer(f"{request.index}. {WORDS}", "stop", 700, 300) for request in asked})
        began = time.monotonic()
        answers = ask(lambda: ("", ""), "stub", asked, Terms(64), "stored", store)
        took = time.monotonic() - began
        if len(set(answers)) != count:
            raise UserError(f"{len(set(answers))} answers to {count} requests")
    print(f"all {count:,} in the store: {took:.2f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.2, help="the server's latency")
    seconds = parser.parse_args().seconds
    measure(ours, seconds, 6400, 64)
    for _ in range(2):
        measure(ours, seconds, 2000, 128)
        measure(plain, seconds, 2000, 128)
    measure_stored(10_000)


if __name__ == "__main__":
    run(main)
