"""The chat as a page, served on 127.0.0.1 to whoever has its address, in which a random token stands.

The page keeps the talk; this server keeps nothing. What it refuses: another Host (a foreign name that was made to point here), another Origin (a foreign page),
an address without the token, and anything larger than a talk.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from aiohttp import web

from stages.common.errors import UserError
from tools.chat import page, records, saving, streaming
from tools.chat.plain import plain
from tools.chat.streaming import Speaker, Unanswered
from tools.chat.talk import Talk, read
from tools.serve.front import quiet

LARGEST = 4 << 20  # bytes of a request; a talk has thousands
HOSTS = ("127.0.0.1", "localhost")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
EXPORTS = {"chats": lambda talk, consent: [records.sharegpt(talk, consent)], "pairs": records.pairs}


@dataclass(frozen=True)
class Chat:
    """What the page offers: speakers, cards by their names, the character of the first talk, what {{user}} stands for, the sampling, and curate's parameters."""

    speakers: Mapping[str, Speaker]
    cards: Mapping[str, Mapping]
    character: str
    user: str
    sampling: Mapping
    params: Mapping
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))


def serve(chat: Chat, port: int) -> None:
    """Serve the page until Ctrl-C. Raises UserError where the port is taken."""

    async def until_ended() -> None:
        quiet()
        # Whoever closes the tab ends the request that waits for the model.
        runner = web.AppRunner(application(chat), access_log=None, handler_cancellation=True)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", port)
            try:
                await site.start()
            except OSError as error:
                raise UserError(f"--port {port}: {error.strerror or error}") from None
            at = runner.addresses[0][1]
            print(f"Open http://127.0.0.1:{at}/{chat.token}/ in a browser on this machine; Ctrl-C ends the chat.", flush=True)
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    try:
        asyncio.run(until_ended())
    except KeyboardInterrupt:
        print()


def application(chat: Chat) -> web.Application:
    """The routes, each under the token."""
    app = web.Application(client_max_size=LARGEST, middlewares=[_guard])
    # aiohttp asks each route in turn whether the path is its own; who guesses the token byte by byte would have to see nanoseconds of that.
    root = f"/{chat.token}"
    app.router.add_get(
        f"{root}/", lambda _: _text(page.render(chat.cards, chat.character, chat.user, list(chat.speakers), saving.license_of(chat.params)), "text/html")
    )
    app.router.add_get(f"{root}/page.css", lambda _: _text(page.style(), "text/css"))
    app.router.add_get(f"{root}/page.js", lambda _: _text(page.script(), "text/javascript"))
    app.router.add_get(f"{root}/icon.svg", lambda _: _text(page.ICON, "image/svg+xml"))
    app.router.add_get(f"{root}/picture/{{name}}", lambda request: _picture(request, chat))
    app.router.add_post(f"{root}/answer", lambda request: _answer(request, chat))
    app.router.add_post(f"{root}/told", lambda request: _told(request, chat))
    app.router.add_post(f"{root}/keepable", lambda request: _keepable(request, chat))
    app.router.add_post(f"{root}/save", lambda request: _save(request, chat))
    app.router.add_post(f"{root}/export", lambda request: _export(request, chat))
    app.on_response_prepare.append(_with_headers)
    return app


async def _with_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


@web.middleware
async def _guard(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    """Only for pages that came from here; whatever is wrong with a request is said in one sentence."""
    try:
        # The port may be another one, where somebody forwards it.
        if request.headers.get("Host", "").partition(":")[0] not in HOSTS:
            raise web.HTTPForbidden(text="this page is at 127.0.0.1 and under no other name")
        if request.method != "GET" and request.headers.get("Origin") != f"http://{request.headers['Host']}":
            raise web.HTTPForbidden(text="only the chat's own page may ask this")
        return await handler(request)
    except UserError as error:
        return web.json_response({"error": str(error)}, status=400)
    except web.HTTPException as error:
        return web.json_response({"error": error.text or error.reason}, status=error.status)


async def _text(content: str, kind: str) -> web.Response:
    return web.Response(text=content, content_type=kind)


async def _picture(request: web.Request, chat: Chat) -> web.Response:
    """The picture of a character's card, without the card in it."""
    name = request.match_info["name"]
    if name not in chat.cards or (picture := page.picture(name)) is None:
        raise web.HTTPNotFound(text="this character's card has no picture")
    return web.Response(body=picture, content_type="image/png")


async def _answer(request: web.Request, chat: Chat) -> web.StreamResponse:
    """The answer to the last exchange, a JSON line a piece: {"text"} or, at the end, {"finish"} or {"error"}."""
    value = await _body(request)
    talk, speaker = _talk(value, chat), chat.speakers[_one_of(chat.speakers, value, "speaker")]
    if not talk.exchanges:
        raise UserError("nothing was asked")
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)

    async def tell(**said: str) -> None:
        await response.write(json.dumps(said).encode() + b"\n")

    try:
        async with aclosing(streaming.answer(speaker, talk.prompt(len(talk.exchanges) - 1), chat.sampling)) as pieces:
            async for piece in pieces:
                await (tell(finish=piece.finish) if piece.finish else tell(text=piece.text))
    except Unanswered as error:
        await tell(error=str(error))
    await response.write_eof()
    return response


async def _told(request: web.Request, chat: Chat) -> web.Response:
    """What the model is told before the talk as it stands."""
    talk = _talk(await _body(request), chat)
    return web.json_response({"told": plain(talk.told([turn["value"] for turn in talk.turns]))})


async def _keepable(request: web.Request, chat: Chat) -> web.Response:
    """Why a talk cannot be saved or exported as it stands, null where it can: nobody is asked for consent to nothing."""
    value = await _body(request)
    talk, kind = _talk(value, chat), _one_of(("save", *EXPORTS), value, "kind")
    try:
        _check(talk, kind)
    except UserError as error:
        return web.json_response({"why_not": str(error)})
    return web.json_response({"why_not": None})


def _check(talk: Talk, kind: str) -> None:
    """Raise UserError where a talk holds nothing to save or export yet."""
    if kind == "save":
        saving.check(talk.answered)
    elif not talk.turns:
        raise UserError("nothing was said yet: there is nothing to export")
    elif kind == "pairs" and not records.preferences(talk):
        raise UserError("no answer was edited, and none has a thumb up where another to the same words has a thumb down: there is no pair yet")


async def _save(request: web.Request, chat: Chat) -> web.Response:
    """Put the talk into data/gold, with consent."""
    value = await _body(request)
    done = saving.save(_talk(value, chat), _consent(value), chat.params)
    return web.json_response({"path": str(done.path), "line": done.line, "why_not": done.why_not})


async def _export(request: web.Request, chat: Chat) -> web.Response:
    """The talk as a file to keep, with consent: {"name", "text"}."""
    value = await _body(request)
    talk, kind = _talk(value, chat), _one_of(EXPORTS, value, "kind")
    consent = _consent(value)
    _check(talk, kind)
    found = EXPORTS[kind](talk, consent)
    return web.json_response({"name": f"{talk.character}.{kind}.jsonl", "text": "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in found)})


async def _body(request: web.Request) -> dict:
    """The request's JSON object. Raises UserError."""
    if request.content_type != "application/json" or "Content-Encoding" in request.headers:
        raise UserError("expected application/json")
    try:
        value = json.loads(await request.text())
    except (ValueError, RecursionError):
        raise UserError("not JSON") from None
    if not isinstance(value, dict):
        raise UserError("expected an object")
    return value


def _one_of(known: Iterable[str], value: Mapping, field: str) -> str:
    names = list(known)
    if (name := value.get(field)) not in names:
        raise UserError(f"no such {field}; expected {' or '.join(names)}")
    return name


def _talk(value: Mapping, chat: Chat) -> Talk:
    return read(value.get("talk"), chat.cards, chat.user)


def _consent(value: Mapping) -> records.Consent:
    return records.consent(value.get("consent"), value.get("user"), value.get("license"))
