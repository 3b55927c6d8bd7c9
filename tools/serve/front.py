"""What clients reach: a few paths of vLLM's, behind a key and limits. The engine itself is known to this process alone."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import AsyncIterator, Mapping

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from tools.serve.limits import PATHS, Limits, Refused, handed_on

JSON = "application/json"
SESSION = web.AppKey("session", aiohttp.ClientSession)


def application(engine: str, engine_key: str | None, key: str | None, limits: Limits, seeded: bool, defaults: Mapping[str, float]) -> web.Application:
    """The server in front of the engine at `engine` (http://HOST:PORT). `key` is asked of clients, None of nobody; `engine_key` is shown to the engine.

    `seeded`: whether the engine stands a request's own seed. `defaults`: sampling of requests that name none. Whatever is not in limits.PATHS is 404.
    """
    work = asyncio.Semaphore(limits.at_once)

    @web.middleware
    async def guarded(request: web.Request, handler) -> web.StreamResponse:
        try:
            if PATHS.get(request.path) != request.method:
                raise Refused(404, f"no {request.method} {request.path[:80]} here; there are {', '.join(f'{method} {path}' for path, method in PATHS.items())}")
            if key is not None and request.path != "/health" and not _shown(request, key):
                raise Refused(401, "no key, or a wrong one: expected `Authorization: Bearer KEY`")
            if request.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise Refused(415, "a compressed body is not read here; send it as it is")
            return await handler(request)
        except Refused as refused:
            return error(refused.status, str(refused))
        except web.HTTPException as raised:
            return error(raised.status, raised.reason)
        except (aiohttp.ClientError, TimeoutError) as broken:
            return error(504 if isinstance(broken, TimeoutError) else 502, "the model's engine does not answer")

    async def answered(request: web.Request) -> web.StreamResponse:
        body, kind = None, {"Content-Type": JSON}
        if request.method == "POST":
            body = handed_on(request.path, await _body(request, limits), limits, seeded, defaults)
        if work.locked():
            raise Refused(429, f"{limits.at_once} requests are in work; try again")
        async with work, request.app[SESSION].request(request.method, engine + request.path, data=body, headers=kind) as answer:
            if answer.content_type != "text/event-stream":
                return web.Response(body=await answer.read(), status=answer.status, content_type=answer.content_type)
            return await _streamed(request, answer, limits)

    async def session(app: web.Application) -> AsyncIterator[None]:
        headers = {"Authorization": f"Bearer {engine_key}"} if engine_key else {}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=limits.silence)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as app[SESSION]:
            yield

    app = web.Application(middlewares=[guarded], client_max_size=limits.body)
    app.cleanup_ctx.append(session)
    for path, method in PATHS.items():
        app.router.add_route(method, path, answered)
    return app


def _shown(request: web.Request, key: str) -> bool:
    scheme, _, told = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(told.encode(errors="surrogateescape"), key.encode())


async def _body(request: web.Request, limits: Limits) -> bytes:
    """What the client sends, whole, in time, and no more than the limit."""
    if (request.content_length or 0) > limits.body:
        raise Refused(413, f"the request has {request.content_length} bytes; at most {limits.body} here")
    try:
        async with asyncio.timeout(limits.seconds):
            return await request.read()
    except TimeoutError:
        raise Refused(408, f"the request was not whole after {limits.seconds:g} s") from None
    except web.HTTPRequestEntityTooLarge:
        raise Refused(413, f"the request is larger than {limits.body} bytes") from None


async def _streamed(request: web.Request, answer: aiohttp.ClientResponse, limits: Limits) -> web.StreamResponse:
    """The engine's pieces as they come. A client that takes none for too long is let go, and with it the engine's work for it."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    try:
        async for piece in answer.content.iter_any():
            async with asyncio.timeout(limits.seconds):
                await response.write(piece)
    except aiohttp.ClientConnectionResetError:
        return response  # the client is gone
    except TimeoutError:
        request.transport.abort()
        return response
    except aiohttp.ClientError:
        await response.write(b"data: " + said("the model's engine ended in the middle of the answer", 502) + b"\n\n")
    await response.write_eof()
    return response


def said(message: str, status: int) -> bytes:
    """An error as OpenAI's clients read it."""
    kind = {401: "authentication_error", 429: "rate_limit_error"}.get(status, "invalid_request_error" if status < 500 else "server_error")
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": status}}).encode()


def quiet() -> None:
    """What is wrong with a request is said to who sent it: nobody fills this server's log with tracebacks of broken ones. A fault of our own is still told."""
    logging.getLogger("aiohttp.server").addFilter(
        lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError | ConnectionError))
    )


def error(status: int, message: str) -> web.Response:
    """A refused request; its connection is closed, for the rest of its body may be on the way."""
    response = web.Response(body=said(message, status), status=status, content_type=JSON, headers={"Retry-After": "1"} if status == 429 else None)
    response.force_close()
    return response
