"""The wire to an OpenAI-compatible endpoint: the SDK's client, what its replies hold, and what its refusals say."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from urllib.parse import quote, urlsplit

import aiohttp
import httpx2
import openai

from stages.common.answer_store import Answer
from stages.common.spending import Use

TO_CONNECT = 30.0  # seconds
MOST_TOKENS = 10**9  # of a request; whoever counts more has miscounted
SECRET = 8  # characters of a key that is looked for in what an endpoint says; a shorter one is none ("none", "EMPTY")
# What the SDK raises where no reply came; a head that breaks HTTP it hands on as aiohttp's own.
NO_REPLY = (openai.APIConnectionError, aiohttp.ClientError, TimeoutError)


def client(url: str, secret: str, at_once: int, timeout: float, direct: bool = False) -> openai.AsyncOpenAI:
    """The SDK's client over aiohttp, which needs two thirds of httpcore2's CPU time. Without the SDK's retries, which would hide what an endpoint bears,
    and without following redirects, which would carry prompts elsewhere. No answer is waited for in vain: whoever asks sets the time. `direct`: by no proxy, whatever the address."""
    # A company's proxy must not come between us and a server on this machine.
    here = direct or urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")
    limits = httpx2.Limits(max_connections=at_once)
    http = openai.DefaultAioHttpClient(trust_env=not here, follow_redirects=False, limits=limits)
    # Whose account it is at OpenAI, which the SDK reads from the environment, is nobody else's business; a key belongs to one account anyway.
    anonymous = {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
    return openai.AsyncOpenAI(
        base_url=url, api_key=secret, max_retries=0, timeout=httpx2.Timeout(None, connect=min(TO_CONNECT, timeout)), http_client=http, default_headers=anonymous
    )


def said(error: openai.APIStatusError) -> str:
    """What a server said with a status that is no success."""
    if 300 <= error.status_code < 400:
        return f"a redirect to {error.response.headers.get('location')}: name the endpoint itself"
    body = error.body
    told = body.get("message") or body.get("detail") if isinstance(body, dict) else body
    return str(told or error.response.text or "nothing")


def without(text: str, secret: str) -> str:
    """What an endpoint said with *** for the key, which some repeat: as it is, or as JSON, a URL or base64 have it."""
    for form in _forms(secret) if len(secret) >= SECRET else ():
        text = text.replace(form, "***")
    return text


@cache
def _forms(secret: str) -> list[str]:
    """A key as programs write it, the longest first. Base64 of a text with the key in it has three forms, by where the key begins; the letters at its ends go with its neighbours."""
    encoded = [base64.b64encode(b"\0" * before + secret.encode()).decode() for before in range(3)]
    inner = [whole[4 if before else 0 : -4] for before, whole in enumerate(encoded)]
    forms = {secret, secret.replace("/", r"\/"), quote(secret, safe=""), *inner, *(one.translate(str.maketrans("+/", "-_")) for one in inner)}
    return sorted(forms, key=lambda form: (-len(form), form))


def never_connected(found: list[BaseException]) -> bool:
    """Whether a connection failed before anything was sent, by its `causes`.

    Told by aiohttp's own names: its client's for httpx2 calls a connection that broke off later a ConnectTimeout too.
    """
    return any(isinstance(cause, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)) for cause in found)


def causes(error: BaseException) -> list[BaseException]:
    """An exception and those behind it, the first one first."""
    found = [error]
    while (error := error.__cause__ or error.__context__) is not None:
        found.append(error)
    return found[::-1]


def retry_after(headers: Mapping[str, str]) -> float:
    """Retry-After in seconds, by the server's own clock where it is a date; 0 where there is none, or none that can be read (RFC 9110, 10.2.3)."""
    after = headers.get("retry-after")
    try:
        return max(0.0, float(after))
    except (TypeError, ValueError):
        pass
    try:
        now = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(UTC)
        return max(0.0, (parsedate_to_datetime(after) - now).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def read(content: bytes, upper: Use) -> Answer | None:
    """The answer in the body of a reply, None where it is no chat completion. Tokens that the endpoint does not count are taken at their most."""
    try:
        reply = json.loads(content)
        choice = reply["choices"][0]
        message = choice["message"]
        words, refusal = _text(message.get("content")), message.get("refusal")
        usage = reply["usage"] if isinstance(reply.get("usage"), dict) else {}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    finish = "refusal" if refusal and not words else str(choice.get("finish_reason") or "stop")
    counts = (
        count if type(count) is int and 0 <= count <= MOST_TOKENS else bound
        for count, bound in ((usage.get("prompt_tokens"), upper.prompt_tokens), (usage.get("completion_tokens"), upper.completion_tokens))
    )
    return Answer(_written(str(refusal) if finish == "refusal" else words), _written(finish), *counts)


def _text(content: object) -> str:
    """The words of a message, which some endpoints send in parts. Raises TypeError where there are none to be read."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") in ("text", "output_text"))
    if not isinstance(content, str | None):
        raise TypeError(type(content).__name__)
    return content or ""


def _written(text: str) -> str:
    """A text as UTF-8 can hold it: JSON can have half a surrogate pair."""
    return text.encode("utf-8", "replace").decode()
