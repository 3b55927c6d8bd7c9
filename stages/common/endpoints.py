"""An endpoint as parameters name it: its address, the variable that holds its key, the fields of a request to it, what it costs and what it may cost."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from stages.common import schemas
from stages.common.errors import UserError
from stages.common.spending import BOUNDS, Caps, Ledger, Price


def check_address(url: str, parameter: str) -> None:
    """Raise UserError where the URL under `parameter` is no address to send requests to."""
    try:
        parts = urlsplit(url)
        good = parts.hostname and parts.port != 0 and not (parts.username or parts.password or parts.query or parts.fragment)
    except ValueError:
        good = False
    if not good:  # what it is could hold a secret
        raise UserError(f"params.yaml: {parameter} is no address; expected https://HOST/v1 or the like, without user, password, query or fragment")


def key_in(variable: str, url: str, parameter: str) -> str:
    """The key of the endpoint whose URL stands under `parameter`. Raises UserError where it is not in the environment, or cannot be one."""
    if not (secret := os.environ.get(variable, "").strip()):
        raise UserError(f"{parameter} is {url}, but the environment variable {variable} that should hold its key is empty")
    if not (secret.isascii() and secret.isprintable() and " " not in secret):
        raise UserError(f"the environment variable {variable} should hold the endpoint's key; found blanks or characters in it that no key has")
    return secret


def request_body(request: Mapping, parameter: str, **fields: object) -> dict:
    """The fields of a request, with those of `request`, which stand under `parameter`, over them; null takes one away.

    Raises UserError where nothing bounds the answer any more: no cap could hold.
    """
    body = {name: value for name, value in {**fields, **request}.items() if value is not None}
    if not any(isinstance(body.get(name), int) for name in BOUNDS):
        raise UserError(f"params.yaml: {parameter} takes {BOUNDS[0]} away and bounds the answer by nothing else; expected {BOUNDS[1]}, a number of tokens")
    return body


def response_format(name: str) -> dict:
    """The API's field that holds an endpoint to schemas/NAME.schema.json."""
    schema = {key: value for key, value in schemas.validator(name).schema.items() if key not in ("$schema", "title", "description")}
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}}


def price_in(prices: Mapping, model: str) -> Price | None:
    """What a model costs; None where `prices` (synthesize.prices) does not know it."""
    found = prices.get(model)
    return Price(found["input"], found["output"]) if found else None


def ledger(caps: Caps, unpriced: list[str], group: str) -> Ledger:
    """An empty ledger under the caps of a `group` of parameters. Raises UserError where there is a cap in dollars and no price to hold it with."""
    if caps.usd is not None and unpriced:
        raise UserError(
            f"params.yaml: {group}.max_usd is {caps.usd:g}, but synthesize.prices has no price for {', '.join(unpriced)}; add it, or set max_usd: null"
        )
    return Ledger(caps)
