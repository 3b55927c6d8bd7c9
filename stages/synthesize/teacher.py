"""Who is asked, under which terms, and at what price: an endpoint by its URL, or the teacher served here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache

from stages.common import base_models, inference_server
from stages.common.completions import Terms
from stages.common.errors import UserError
from stages.common.spending import FREE, Caps, Ledger, Price


@dataclass(frozen=True)
class Teacher:
    """`connect` gives (URL, key) and starts a server only when it is called; `endpoint` is the name under which answers are kept."""

    connect: Callable[[], tuple[str, str]]
    endpoint: str
    model: str
    seeded: bool
    """Whether each request carries a seed of its own. vLLM's CPU build has one for the whole server."""


@contextmanager
def teacher(params: Mapping) -> Iterator[Teacher]:
    """The endpoint of synthesize.base_url with the key from the environment, or the teacher served here for as long as the block runs.

    Raises UserError where the key is not in the environment.
    """
    if url := params["synthesize.base_url"]:
        variable = params["synthesize.api_key_env"]

        def connect() -> tuple[str, str]:
            if not (secret := os.environ.get(variable)):
                raise UserError(f"synthesize.base_url is {url}, but the environment variable {variable} that should hold its key is empty")
            return url, secret

        yield Teacher(connect, endpoint(params), params["synthesize.teacher"], seeded=True)
        return
    with ExitStack() as stack:

        @cache
        def served() -> tuple[str, str]:
            folder = base_models.fetch(params["synthesize.teacher"], None)
            return stack.enter_context(inference_server.serve(folder, "teacher", folder / "chat_template.jinja", params["synthesize.seed"])), "none"

        yield Teacher(served, endpoint(params), "teacher", seeded=False)


def endpoint(params: Mapping) -> str:
    """The name of who answers, in the keys of the store: the URL, or the model that is served here and the seed it is served with."""
    return params["synthesize.base_url"] or f"{params['synthesize.teacher']} served with seed {params['synthesize.seed']}"


def terms(params: Mapping) -> Terms:
    """How hard the teacher is asked."""
    return Terms(*(params[f"synthesize.{name}"] for name in ("concurrency", "requests_per_minute", "tokens_per_minute", "timeout")))


def price(params: Mapping, model: str) -> Price | None:
    """What a model costs: nothing where it is served here; None where synthesize.prices does not know it."""
    if params["synthesize.base_url"] is None:
        return FREE
    found = params["synthesize.prices"].get(model)
    return Price(found["input"], found["output"]) if found else None


def ledger(params: Mapping) -> Ledger:
    """An empty ledger under the caps. Raises UserError where there is a cap in dollars and no price to hold it with."""
    for model in filter(None, (params["synthesize.teacher"], params["synthesize.critic"])):
        if params["synthesize.max_usd"] is not None and price(params, model) is None:
            raise UserError(
                f"params.yaml: synthesize.max_usd is {params['synthesize.max_usd']}, but synthesize.prices has no price for {model}; add one, or set max_usd: null"
            )
    return Ledger(Caps(params["synthesize.max_usd"], params["synthesize.max_requests"], params["synthesize.max_tokens"]))
