"""The server in front of an engine, with an engine of the test's own on loopback that does what a real one does only when it fails."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import openai
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tools.serve.front import application, quiet
from tools.serve.limits import Limits

KEY, ENGINE_KEY = "a-key-that-clients-show", "a-key-that-the-front-shows"
HELLO = {"model": "merged", "messages": [{"role": "user", "content": "Hello"}]}
Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def in_front(of: Behaviour, **limits: float) -> AsyncIterator[str]:
    """The address of a front whose engine behaves so."""
    engine = web.Application(client_max_size=10**8)
    engine.router.add_route("*", "/{path:.*}", of)
    async with TestServer(engine) as behind:
        app = application(f"http://127.0.0.1:{behind.port}", ENGINE_KEY, KEY, Limits(**limits), seeded=False, defaults={})
        async with TestServer(app, handler_cancellation=True) as front:
            yield f"http://127.0.0.1:{front.port}"


async def echo(request: web.Request) -> web.Response:
    body = await request.json() if request.can_read_body else None
    return web.json_response({"path": request.path, "key": request.headers.get("Authorization"), "body": body})


async def hang(request: web.Request) -> web.Response:
    await asyncio.sleep(60)
    raise AssertionError


async def post(address: str, body: object = HELLO, key: str = KEY, path: str = "/v1/chat/completions") -> tuple[int, dict]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with aiohttp.ClientSession() as session, session.post(address + path, data=data, headers={"Authorization": f"Bearer {key}"}) as answer:
        return answer.status, await answer.json()


def test_the_engine_gets_its_own_key_and_never_the_clients() -> None:
    async def ask() -> dict:
        async with in_front(echo) as address:
            return (await post(address))[1]

    assert asyncio.run(ask()) == {"path": "/v1/chat/completions", "key": f"Bearer {ENGINE_KEY}", "body": {**HELLO, "max_tokens": 512}}


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer wrong", f"Basic {KEY}", KEY, f"Bearer {ENGINE_KEY}", "Bearer \u00e9"])
def test_without_the_key_nothing_is_answered_and_no_body_is_read(shown: str) -> None:
    async def ask() -> tuple[int, dict]:
        async with in_front(echo) as address, aiohttp.ClientSession() as session:
            never = asyncio.Event()

            async def body() -> AsyncIterator[bytes]:
                yield b"{"
                await never.wait()

            async with session.post(f"{address}/v1/chat/completions", data=body(), headers={"Authorization": shown} if shown else {}) as answer:
                return answer.status, await answer.json()

    status, said = asyncio.run(asyncio.wait_for(ask(), 20))
    assert (status, said["error"]["type"]) == (401, "authentication_error")


def test_the_schemes_name_has_no_case_and_a_compressed_body_is_not_read() -> None:
    async def ask() -> list[int]:
        async with in_front(echo) as address, aiohttp.ClientSession() as session:
            async with session.get(f"{address}/v1/models", headers={"Authorization": f"bearer {KEY}"}) as shown:
                pass
            headers = {"Authorization": f"Bearer {KEY}", "Content-Encoding": "gzip"}
            async with session.post(f"{address}/v1/chat/completions", data=b"no gzip", headers=headers, skip_auto_headers=["Content-Encoding"]) as zipped:
                return [shown.status, zipped.status]

    assert asyncio.run(ask()) == [200, 415]


def test_requests_that_are_none_leave_no_traceback_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def ask() -> bytes:
        quiet()
        async with in_front(echo) as address:
            host, port = address.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"\x16\x03\x01 hello\r\n\r\n")
            return await asyncio.wait_for(reader.readline(), 30)

    assert b" 400 " in asyncio.run(ask()) and caplog.text == ""


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *[
            ("GET", path)
            for path in ("/", "/metrics", "/docs", "/openapi.json", "/v1/models/", "/v1/models/merged", "/v1/chat/completions", "/v1//models", "/v1/%6dodels/x")
        ],
        *[
            ("POST", path)
            for path in ("/tokenize", "/v1/embeddings", "/v1/load_lora_adapter", "/v1/models", "/health", "/sleep", "/collective_rpc", "/v1/responses")
        ],
        ("OPTIONS", "/v1/chat/completions"),
        ("DELETE", "/v1/models"),
    ],
)
def test_a_path_or_method_that_is_not_on_the_list_never_reaches_the_engine(method: str, path: str) -> None:
    async def ask() -> int:
        async with in_front(echo) as address, aiohttp.ClientSession() as session:
            async with session.request(method, address + path, headers={"Authorization": f"Bearer {KEY}"}) as answer:
                return answer.status

    assert asyncio.run(ask()) == 404


def test_health_needs_no_key_and_says_when_the_engine_is_gone() -> None:
    async def ask() -> list[int]:
        async with in_front(echo) as address, aiohttp.ClientSession() as session:
            async with session.get(f"{address}/health") as well:
                pass
        app = application("http://127.0.0.1:9", None, KEY, Limits(), False, {})
        async with TestServer(app) as front, aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{front.port}/health") as ill:
            return [well.status, ill.status]

    assert asyncio.run(ask()) == [200, 502]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused_before_it_is_whole(chunked: bool) -> None:
    async def ask() -> int:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b"x" * 100_000

        async with in_front(echo, body=1_000_000) as address, aiohttp.ClientSession() as session:
            data = pieces() if chunked else b"x" * 10_000_000
            async with session.post(f"{address}/v1/chat/completions", data=data, headers={"Authorization": f"Bearer {KEY}"}) as answer:
                return answer.status

    assert asyncio.run(ask()) == 413


def test_a_client_that_never_finishes_its_request_is_let_go_and_nobody_waits_for_it() -> None:
    async def ask() -> tuple[bytes, int]:
        async with in_front(echo, seconds=0.5, at_once=1) as address:
            host, port = address.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 100\r\n\r\n{{".encode())
            status, _ = await post(address)
            return await asyncio.wait_for(reader.readline(), 30), status

    hung, status = asyncio.run(ask())
    assert b" 408 " in hung and status == 200


def test_more_requests_than_the_limit_are_told_to_come_again() -> None:
    async def ask() -> list[int]:
        async with in_front(hang, at_once=2) as address:
            waiting = [asyncio.create_task(post(address)) for _ in range(2)]
            await asyncio.sleep(0.5)
            status, _ = await post(address)
            for one in waiting:
                one.cancel()
            return [status]

    assert asyncio.run(ask()) == [429]


def test_an_engine_that_says_nothing_is_told_of() -> None:
    async def ask() -> tuple[int, dict]:
        async with in_front(hang, silence=0.5) as address:
            return await post(address)

    assert asyncio.run(ask())[0] == 504


def test_a_stream_whose_engine_breaks_off_ends_with_an_error_that_openais_client_raises() -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        chunk = {
            "id": "1",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "merged",
            "choices": [{"index": 0, "delta": {"content": "Elem"}, "finish_reason": None}],
        }
        await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
        request.transport.abort()
        return response

    async def ask() -> list[str]:
        async with in_front(broken) as address, openai.AsyncOpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=0) as client:
            heard = []
            with pytest.raises(openai.APIError, match="ended in the middle of the answer"):
                async for piece in await client.chat.completions.create(**HELLO, stream=True):
                    heard.append(piece.choices[0].delta.content)
            return heard

    assert asyncio.run(ask()) == ["Elem"]


@pytest.mark.parametrize("stream", [False, True])
def test_when_a_client_goes_the_engine_is_let_go_too(stream: bool) -> None:
    gone = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        try:
            if stream:
                await response.prepare(request)
                while True:
                    await response.write(b"data: {}\n\n")
                    await asyncio.sleep(0.01)
            while not (request.transport is None or request.transport.is_closing()):
                await asyncio.sleep(0.01)
        finally:
            gone.set()
        return response

    async def ask() -> None:
        async with in_front(endless) as address:
            asking = asyncio.create_task(post(address))
            await asyncio.sleep(0.5)
            asking.cancel()
            await asyncio.wait_for(gone.wait(), 20)

    asyncio.run(ask())
