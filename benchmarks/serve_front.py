"""`python -m benchmarks.serve_front [--clients N] [--rounds N]`: what the server in front of vLLM costs, beside the same vLLM alone.

One vLLM with models/merged, and `python -m tools.serve --engine` in front of it as a process of its own. OpenAI's client asks the one and the other in turn:

    at once     N (64) streamed answers of 128 tokens: answer tokens a second
    one by one  10 streamed answers: seconds to the first token, their median

Each round (5) asks both, in another order than the round before. Printed: each round, then the medians over rounds and their ratio or difference.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from openai import AsyncOpenAI

from stages.common import characters, environments, inference_server
from stages.common.errors import UserError, run
from stages.common.params import load

MERGED = Path("models/merged")
TOKENS, ALONE, PATIENCE = 128, 10, 60.0


@dataclass(frozen=True)
class Measured:
    rate: float
    """Answer tokens a second, all clients at once."""
    first: float
    """Seconds to the first token of one client alone, the median."""


@contextmanager
def front(engine: str, engine_key: str, key: str, log: Path) -> Iterator[str]:
    """The server in front of the engine, as a person starts it; its address. Raises UserError where it does not say one in time."""
    variables = {"DRAMATIS_API_KEY": key, "DRAMATIS_ENGINE_KEY": engine_key, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "tools.serve", "--port", "0", "--engine", engine]
    with open(log, "wb") as output, subprocess.Popen(command, env=environments.silent(**variables), stdout=output, stderr=output) as process:
        try:
            started = time.monotonic()
            while not (said := re.search(r"http://127\.0\.0\.1:(?!0/)\d+(?=/v1\n)", log.read_text())):
                if process.poll() is not None or time.monotonic() - started > PATIENCE:
                    raise UserError(f"the server in front did not start: {log.read_text()[-1000:]}")
                time.sleep(0.1)
            yield said[0]
        finally:
            process.terminate()


async def measured(url: str, key: str, clients: int, messages: list[dict], sampled: dict) -> Measured:
    """Every answer is streamed to its end and has TOKENS tokens."""
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=600) as client:

        async def answer(tokens: int) -> tuple[float, int]:
            began, first, counted = time.monotonic(), None, 0
            fields = {**sampled, "messages": messages, "max_tokens": tokens, "stream_options": {"include_usage": True}}
            async for piece in await client.chat.completions.create(model="merged", stream=True, extra_body={"ignore_eos": True}, **fields):
                if piece.choices and piece.choices[0].delta.content and first is None:
                    first = time.monotonic() - began
                counted = piece.usage.completion_tokens if piece.usage else counted
            if first is None or counted != tokens:
                raise UserError(f"{url} answered {counted} tokens; {tokens} were asked for")
            return first, counted

        firsts = [(await answer(8))[0] for _ in range(ALONE)]
        began = time.monotonic()
        counted = sum(tokens for _, tokens in await asyncio.gather(*(answer(TOKENS) for _ in range(clients))))
        return Measured(counted / (time.monotonic() - began), median(firsts))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clients", type=int, default=64, help="at once")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    params = load("answer")
    card = next(iter(characters.read_all().values()))
    messages = [{"role": "system", "content": characters.system_prompt(card, params["curate.user"])}, {"role": "user", "content": "Good morning."}]
    sampled = {name: params[f"answer.{name}"] for name in ("temperature", "top_p")}
    engine_key, key = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    found: dict[str, list[Measured]] = {"vLLM": [], "front": []}
    with (
        environments.scratch("serve-front") as scratch,
        inference_server.starting(MERGED, "merged", MERGED / "chat_template.jinja", params["answer.seed"], key=engine_key) as engine,
    ):
        engine.ready()
        with front(engine.address, engine_key, key, scratch / "front.log") as url:
            at = {"vLLM": (engine.address, engine_key), "front": (url, key)}
            asyncio.run(measured(*at["vLLM"], chosen.clients, messages, sampled))  # warms up
            for number in range(chosen.rounds):
                for name in sorted(at, reverse=number % 2 == 0):
                    one = asyncio.run(measured(*at[name], chosen.clients, messages, sampled))
                    found[name].append(one)
                    print(f"{name:8}{one.rate:>6.0f} tokens/s at once, first token of one alone after {one.first * 1000:.1f} ms", flush=True)
    rates, firsts = ({name: median(getattr(one, field) for one in rounds) for name, rounds in found.items()} for field in ("rate", "first"))
    print(f"front / vLLM: {rates['front'] / rates['vLLM']:.3f} of the tokens/s; the first token {(firsts['front'] - firsts['vLLM']) * 1000:.1f} ms later")


if __name__ == "__main__":
    run(main)
