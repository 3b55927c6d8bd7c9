"""Whom the chat talks to: the tuned model, and beside it the base model, each as a Speaker. The one place where servers are started or found."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from stages.common import base_models, endpoints, environments, inference_server
from stages.common.errors import UserError
from stages.evaluate import gate
from tools.chat.plain import one_line
from tools.chat.streaming import Speaker, Unanswered, served
from tools.serve import fit, on_record

TUNED, BASE = "tuned", "base"
MERGED, ADAPTER, UNTRAINED = Path("models/merged"), Path("models/adapter"), Path("models/base")
CACHE = 1  # GiB of keys and values for each of two servers on a CPU: one reader needs a hundredth


@contextmanager
def speaking(compare: bool, url: str | None, key: str | None = None, model: str | None = None, forced: Collection[str] = ()) -> Iterator[dict[str, Speaker]]:
    """Yield the Speaker of "tuned", and with `compare` of "base", ready to answer.

    With `url`, the OpenAI base URL of a running server, they are models there: "tuned" is `model`, else the one that is not called "base". Without it,
    vLLM is started with models/merged for as long as the block lasts, if the gate lets the model pass, bounds that are `forced` by their metric's name apart.
    Raises UserError where there is no such server or model.
    """
    if url is not None:
        yield found(url, key, model, compare)
        return
    for bound in gate.refuse(forced):
        print(f"forced: {bound.told}")
    with _started(compare) as speakers:
        yield speakers


def found(url: str, key: str | None, model: str | None, compare: bool) -> dict[str, Speaker]:
    """The speakers of a running server. Raises UserError where it does not answer, or does not know them."""
    try:
        endpoints.check_address(url, "--url")
    except UserError as error:
        raise UserError(str(error).removeprefix("params.yaml: ")) from None
    try:
        names = asyncio.run(served(Speaker(url, key, "")))
    except Unanswered as error:
        raise UserError(str(error)) from None
    known = ", ".join(map(one_line, names)) or "no model"
    others = [name for name in names if name != BASE]
    if model is None and len(others) != 1:
        raise UserError(f"{url} serves {known}; say by --model which of them is the character")
    tuned = model or others[0]
    if missing := [name for name in (tuned, *([BASE] if compare else [])) if name not in names]:
        raise UserError(f"{url} serves {known}; expected {' and '.join(missing)} too")
    return {TUNED: Speaker(url, key, tuned)} | ({BASE: Speaker(url, key, BASE)} if compare else {})


@contextmanager
def _started(compare: bool) -> Iterator[dict[str, Speaker]]:
    """On a GPU, which one server fills, base and tuned are one model without and with its adapter; on a CPU, where vLLM's LoRA is slow
    (stages/answer/speakers.py), two servers."""
    fit.whole(MERGED)
    on_record.refuse(MERGED)
    if compare and not (UNTRAINED / "manifest.json").is_file():
        raise UserError(f"{UNTRAINED}: not here, and it is to answer beside the tuned model; `dvc pull {UNTRAINED}` fetches it, `dvc repro base` makes it")
    template, seed = MERGED / "chat_template.jinja", secrets.randbelow(2**31)  # each chat by other chances: nothing is measured here
    untrained = base_models.weights_folder(UNTRAINED) if compare else None
    if untrained and environments.has_gpu():
        with _server(untrained, BASE, template, seed, {TUNED: ADAPTER.resolve()}) as both:
            both.ready()
            yield {name: Speaker(both.url, both.key, name) for name in (TUNED, BASE)}
        return
    with ExitStack() as stack:
        servers = {TUNED: stack.enter_context(_server(MERGED, TUNED, template, seed))}
        if untrained:
            servers[BASE] = stack.enter_context(_server(untrained, BASE, template, seed))
        yield {name: Speaker(server.ready(), server.key, name) for name, server in servers.items()}


def _server(model: Path, name: str, template: Path, seed: int, adapters: dict[str, Path] | None = None) -> AbstractContextManager[inference_server.Server]:
    """A server that nobody else on this machine can ask."""
    return inference_server.starting(model, name, template, seed, adapters, CACHE, key=secrets.token_urlsafe(32))
