"""Reads a file of prompts: one record a line, each as its schema has it and with an id of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import read_lines
from stages.common.schemas import fault


def records(path: str | Path, schema: str, noun: str) -> Iterator[tuple[str, dict]]:
    """(file and line, record) of each line; `noun` is what a record is called.

    Raises UserError with file and line where a line does not fit schemas/`schema`.schema.json or has an id that was there before, and where there is none.
    """
    seen: set[str] = set()
    for number, value in read_lines(path):
        where = f"{path}:{number}"
        if isinstance(value, ValueError):
            raise UserError(f"{where}: {value}")
        if problem := fault(schema, value):
            raise UserError(f"{where}: {problem}; expected a {noun} as schemas/{schema}.schema.json has it")
        if value["id"] in seen:
            raise UserError(f"{where}: id {value['id']} is a {noun}'s before; expected each id once")
        seen.add(value["id"])
        yield where, value
    if not seen:
        raise UserError(f"{path}: no {noun}; expected at least one")
