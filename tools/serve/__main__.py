"""`python -m tools.serve`: the merged model behind OpenAI's API on 127.0.0.1; with `--adapter` the base, and adapters beside it.

    --adapter                                    base and models/adapter, chosen by the request's `model`: "base", "adapter"
    --adapter holmes=PATH --adapter nemo=PATH    several, by their names

Refused where the gate is closed (metrics/gate.json), where the model is not the one that the gate is about, and where files do not belong together. Clients show
the key of .dramatis/api-key, or DRAMATIS_API_KEY's. In front of vLLM stand a list of paths, and limits on a request's size, tokens and answers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import secrets
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import openai
from aiohttp import web

from stages.common import base_models, characters, chat_api, environments, inference_server
from stages.common.errors import UserError, printable, run
from stages.common.params import read_yaml
from stages.evaluate import gate
from tools.serve import api_key, fit, on_record
from tools.serve.front import application, quiet
from tools.serve.limits import Limits

BASE, ADAPTER, MERGED = Path("models/base"), Path("models/adapter"), Path("models/merged")
SAMPLING = ("temperature", "top_p", "min_p")  # of params.yaml's `answer`: what the figures were measured with
ENGINE = re.compile(r"https?://[^/\s]+/?")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def main() -> None:
    asked = arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    key = None if asked.no_key else api_key.given()
    limits = replace(Limits(), tokens=asked.max_tokens)
    with listening(asked.host, asked.port) as at:
        if asked.engine:
            asyncio.run(served(at, asked.engine.rstrip("/"), asked.engine_key, key, limits, None))
            return
        adapters = named(asked.adapter)
        if asked.adapter is None or any(folder.resolve() == ADAPTER.resolve() for folder in adapters.values()):
            for bound in gate.refuse(asked.force):
                print(f"forced: {bound.told}")
            on_record.refuse(ADAPTER if adapters else MERGED)
        with engine(adapters) as started:
            started.ready()
            if adapters and (same := [name for name in adapters if not inference_server.differs({"base": started.url, name: started.url}, started.key)]):
                raise UserError(f"{', '.join(same)}: answers as the base does: its log-probabilities are the same")
            asyncio.run(served(at, started.address, started.key, key, limits, started))


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.serve", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--adapter", action="append", nargs="?", const=f"adapter={ADAPTER}", metavar="NAME=FOLDER", help="serve the base with this adapter beside it"
    )
    parser.add_argument("--force", action="append", default=[], metavar="METRIC", help="serve though this bound of the gate is not kept")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--max-tokens", type=int, default=Limits.tokens, metavar="N", help="of one answer, at most")
    parser.add_argument("--no-key", action="store_true", help="whoever reaches the port may ask")
    parser.add_argument("--host", default="127.0.0.1", help="another address than loopback: in a container, whose port its host maps")
    parser.add_argument("--engine", metavar="URL", help="no vLLM of its own: stand in front of the one at http://HOST:PORT")
    asked = parser.parse_args(given)
    if asked.max_tokens < 1:
        raise UserError(f"--max-tokens {asked.max_tokens}: expected 1 or more")
    if asked.engine and not ENGINE.fullmatch(asked.engine):
        raise UserError(f"--engine {asked.engine}: expected http://HOST:PORT")
    asked.engine_key = api_key.for_engine() if asked.engine else None
    return asked


def named(pairs: list[str] | None) -> dict[str, Path]:
    """The adapters' folders by name. Raises UserError where a name cannot be one, or stands twice."""
    adapters: dict[str, Path] = {}
    for pair in pairs or []:
        name, equals, folder = pair.partition("=")
        if not equals or not NAME.fullmatch(name) or name == "base" or name in adapters:
            raise UserError(f"--adapter {pair}: expected NAME=FOLDER, with a name of its own of letters, digits, '.', '_' and '-' that is not base")
        adapters[name] = Path(folder)
    return adapters


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """The socket of this server, bound before the engine takes its time: a port that is taken is told at once. Nobody can connect yet."""
    with socket.socket(socket.AF_INET) as at:
        at.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            at.bind((host, port))
        except (OSError, OverflowError) as error:
            raise UserError(f"{host}:{port} cannot be listened on ({getattr(error, 'strerror', None) or error}): choose another port with --port") from None
        yield at


@contextlib.contextmanager
def engine(adapters: dict[str, Path]) -> Iterator[inference_server.Server]:
    """vLLM, started with a key that only this process knows."""
    seed = read_yaml("params.yaml")["answer"]["seed"]
    if adapters:
        weights = base_models.weights_folder(BASE)
        for folder in adapters.values():
            fit.adapter_fits(folder, BASE, weights)
        model, name, template = weights, "base", BASE / "chat_template.jinja"
    else:
        fit.whole(MERGED)
        model, name, template = MERGED, "merged", MERGED / "chat_template.jinja"
    with inference_server.starting(
        model, name, template, seed, {name: folder.resolve() for name, folder in adapters.items()}, key=secrets.token_urlsafe(32)
    ) as started:
        yield started


async def served(at: socket.socket, address: str, engine_key: str | None, key: str | None, limits: Limits, started: inference_server.Server | None) -> None:
    """Serve until a signal or the engine's end. Raises UserError where the engine ends by itself."""
    sampling = read_yaml("params.yaml")["answer"]
    front = application(address, engine_key, key, limits, environments.has_gpu() or started is None, {name: sampling[name] for name in SAMPLING})
    quiet()
    runner = web.AppRunner(front, access_log=None, handler_cancellation=True, keepalive_timeout=75, shutdown_timeout=2)
    await runner.setup()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await web.SockSite(runner, at, shutdown_timeout=2).start()
        url = f"http://{at.getsockname()[0]}:{at.getsockname()[1]}"
        print(f"{', '.join(started.names) if started else f'in front of {address}'}: {url}/v1", flush=True)
        if key is not None:
            print(f"key: {api_key.where()}")
        if started:
            await first_answer(url, started.names[-1], key, min(48, limits.tokens), limits.silence)
        while not stop.is_set():
            if started and started.ended():
                raise UserError("the model's engine is gone")  # `starting` says how it ended
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.5)
    finally:
        await runner.cleanup()
    print("stopped")


async def first_answer(url: str, model: str, key: str | None, tokens: int, seconds: float) -> None:
    """Ask as a client does, and show what was said. Raises UserError where there is no answer in so many seconds."""
    params = read_yaml("params.yaml")
    cards = characters.read_all()
    name = next((name for name in params["characters"] or cards if name in cards), next(iter(cards)))
    messages = [{"role": "system", "content": characters.system_prompt(cards[name], params["curate"]["user"])}, {"role": "user", "content": "Good morning."}]
    try:
        async with asyncio.timeout(seconds), chat_api.client(f"{url}/v1", key or "none", 1, seconds, direct=True) as client:
            answer = await client.chat.completions.create(model=model, messages=messages, max_tokens=tokens)
    except TimeoutError:
        raise UserError(f"{model} gave no first answer in {seconds:g} s") from None
    except openai.APIError as error:
        raise UserError(f"{model} gave no first answer: {chat_api.said(error) if isinstance(error, openai.APIStatusError) else error.message}") from None
    words = " ".join((answer.choices[0].message.content or "").split())
    print(printable(f'{model}, as {cards[name]["name"]}, to "Good morning.": {words}'), flush=True)


def leave(number: int, frame: object) -> None:
    """An orderly exit while the engine still starts."""
    sys.exit(128 + number)


if __name__ == "__main__":
    run(main)
