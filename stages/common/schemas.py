"""Checks records against the JSON Schemas of schemas/."""

from __future__ import annotations

import json
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from jsonschema.validators import extend

FOLDER = Path(__file__).resolve().parents[2] / "schemas"


def _number(_checker: object, value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _integer(_checker: object, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# Stricter than JSON Schema: 48.0 is no integer (range would refuse it), NaN and infinity are no numbers.
VALIDATOR = extend(Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many({"number": _number, "integer": _integer}))


@cache
def validator(name: str) -> Draft202012Validator:
    """The validator of schemas/NAME.schema.json (JSON Schema 2020-12)."""
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return VALIDATOR(schema)


@cache
def _quick(name: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(validator(name).schema)


def fits(name: str, value: Any) -> bool:
    """Whether `value` fits the schema, in a hundredth of the time that `fault` takes to say why not."""
    return _quick(name).is_valid(value)


def fault(name: str, value: Any) -> str | None:
    """None where `value` fits the schema, else one sentence: where in the value, what was found, what is allowed."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        return f"half a surrogate pair, {error.object[error.start]!a}: no text that can be written as UTF-8"
    error = best_match(validator(name).iter_errors(value))
    if error is None:
        return None
    where = ".".join(str(part) for part in error.absolute_path)
    message = error.message if len(error.message) <= 200 else error.message[:197] + "..."
    return f"{where}: {message}" if where else message
