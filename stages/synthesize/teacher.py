"""Who is asked, under which terms, and at what price: an endpoint by its URL, or the teacher served here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from stages.common import base_models, completions, endpoints, inference_server
from stages.common.answer_store import Answer, AnswerStore
from stages.common.completions import Request, Terms, Unanswered
from stages.common.errors import UserError
from stages.common.spending import FREE, Caps, Ledger, Price
from stages.synthesize.prompts import SERVED

ANSWERS = Path("data/synthetic/answers.jsonl")

Asking = Callable[[str, str, list[Request]], list[Answer | Unanswered]]
"""(model, label of the progress bar, requests) to outcomes."""


@contextmanager
def teacher(params: Mapping, answers: AnswerStore, spending: Ledger) -> Iterator[Asking]:
    """What asks the endpoint, out of the store where it can. The teacher that is served here starts with the first question and ends with the block."""
    with ExitStack() as stack:

        @cache
        def connect() -> tuple[str, str]:
            if params["synthesize.base_url"]:
                return elsewhere(params)
            folder = base_models.fetch(params["synthesize.teacher"], None)
            return stack.enter_context(inference_server.serve(folder, SERVED, folder / "chat_template.jinja", params["synthesize.seed"])), "none"

        def ask(model: str, label: str, requests: list[Request]) -> list[Answer | Unanswered]:
            return completions.ask(connect, endpoint(params), requests, terms(params), label, answers, spending, price(params, model) or FREE)

        yield ask


def elsewhere(params: Mapping) -> tuple[str, str]:
    """(URL, key) of synthesize.base_url. Raises UserError where the key is not in the environment, or cannot be one."""
    url = params["synthesize.base_url"]
    return url, endpoints.key_in(params["synthesize.api_key_env"], url, "synthesize.base_url")


def endpoint(params: Mapping) -> str:
    """The name of who answers, in the keys of the store: the URL, or the model that is served here and the seed it is served with."""
    url = params["synthesize.base_url"]
    return url.rstrip("/") if url else f"{params['synthesize.teacher']} served with seed {params['synthesize.seed']}"


def terms(params: Mapping) -> Terms:
    """How hard the teacher is asked."""
    return Terms(*(params[f"synthesize.{name}"] for name in ("concurrency", "requests_per_minute", "tokens_per_minute", "timeout")))


def price(params: Mapping, model: str) -> Price | None:
    """What a model costs: nothing where it is served here; None where synthesize.prices does not know it."""
    if params["synthesize.base_url"] is None:
        return FREE
    return endpoints.price_in(params["synthesize.prices"], model)


def models(params: Mapping) -> list[str]:
    """The models that are asked: the teacher's and the critic's. Raises UserError where the one that is served here cannot be both."""
    writer, judge = params["synthesize.teacher"], params["synthesize.critic"]
    if params["synthesize.base_url"]:
        endpoints.check_address(params["synthesize.base_url"], "synthesize.base_url")
    if params["synthesize.base_url"] is None and judge not in (None, writer):
        raise UserError(f"params.yaml: synthesize.critic is {judge}, but without synthesize.base_url one model is served, synthesize.teacher: {writer}")
    return list(dict.fromkeys(filter(None, (writer, judge))))


def unpriced(params: Mapping) -> list[str]:
    """The models whose price nobody knows."""
    return [model for model in models(params) if price(params, model) is None]


def ledger(params: Mapping) -> Ledger:
    """An empty ledger under the caps. Raises UserError where there is a cap in dollars and no price to hold it with."""
    caps = Caps(*(params[f"synthesize.{name}"] for name in ("max_usd", "max_requests", "max_tokens")))
    return endpoints.ledger(caps, unpriced(params), "synthesize")
