"""What a client may ask: paths, the fields of a request that are handed on, and bounds on them. Everything else stays outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
PATHS = {"/health": "GET", "/v1/models": "GET", CHAT: "POST", COMPLETIONS: "POST"}

# Sampling, and what is told about it. Left out are fields by which a client brings its own chat template, grammar, tools or files, and whatever vLLM will add to
# these one day. A client's `seed` ends vLLM's CPU build ("CPU Generator does not use offset", 0.32); on a GPU it is handed on.
SHARED = {
    "model", "stream", "stream_options", "n", "max_tokens", "stop", "temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty",
    "repetition_penalty", "logit_bias", "logprobs", "ignore_eos", "min_tokens", "skip_special_tokens",
}  # fmt: skip
FIELDS = {
    CHAT: SHARED | {"messages", "max_completion_tokens", "top_logprobs", "add_generation_prompt", "continue_final_message"},
    COMPLETIONS: SHARED | {"prompt", "echo"},
}


@dataclass(frozen=True)
class Limits:
    """How much one client, and all of them together, may ask."""

    body: int = 1_000_000
    """Bytes of a request."""
    tokens: int = 1024
    """Of an answer, at most."""
    unnamed: int = 512
    """Tokens of an answer where the client names no number: a character's reply has about a hundred, and what is asked for counts against the model's context."""
    choices: int = 4
    """`n`: answers to one request."""
    at_once: int = 256
    """Requests with the engine, which queues what it has no room for."""
    seconds: float = 30
    """For a client to send its request, and to take each piece of the answer."""
    silence: float = 300
    """Seconds in which the engine must say something."""


class Refused(Exception):
    """A request that is not handed on: an HTTP status, and a sentence for who sent it."""

    def __init__(self, status: int, said: str):
        super().__init__(said)
        self.status = status


def handed_on(path: str, body: bytes, limits: Limits, seeded: bool, defaults: Mapping[str, float]) -> bytes:
    """The request as the engine gets it, in JSON: known fields, within the limits, the sampling of `defaults` where the client names none.

    Raises Refused (400) where it is no JSON object, where a bound is passed, or a message holds more than text (an engine would fetch a picture's address).
    """
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"the body is not JSON: {error}") from None
    if not isinstance(asked, dict):
        raise Refused(400, f"the body is a JSON {type(asked).__name__}; expected an object")
    fields = FIELDS[path] | ({"seed"} if seeded else set())
    request = {**defaults, **{name: value for name, value in asked.items() if name in fields and value is not None}}
    _bounded(request, "n", limits.choices)
    named = [name for name in ("max_completion_tokens", "max_tokens") if name in request]
    for name in named:
        _bounded(request, name, limits.tokens)
    if not named:
        request["max_tokens"] = min(limits.unnamed, limits.tokens)
    if path == CHAT:
        _only_text(request.get("messages"))
    elif not isinstance(request.get("prompt"), str):
        raise Refused(400, "prompt: expected a text; several prompts are several requests")
    try:
        return orjson.dumps(request)
    except orjson.JSONEncodeError as error:
        raise Refused(400, f"the body is not for an engine: {error}") from None  # nested hundreds of levels deep


def _bounded(request: Mapping, name: str, most: int) -> None:
    value = request.get(name, 1)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise Refused(400, f"{name}: a whole number of at least 1 and at most {most} here, found {value!r:.40}")


def _only_text(messages: object) -> None:
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages) or not messages:
        raise Refused(400, "messages: expected a list of objects with role and content")
    for number, message in enumerate(messages, 1):
        content = message.get("content")
        parts = content if isinstance(content, list) else []
        if not (isinstance(content, str) or parts) or not all(isinstance(part, dict) and part.get("type") == "text" for part in parts):
            raise Refused(400, f"messages: content of message {number} is not text, which is all that this model reads")
