"""Whether the user of a logged chat has agreed that a model is trained on it. Anything short of a clear yes is a no."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stages.common.errors import UserError
from stages.common.files import read_text

Consented = frozenset[str]
"""Ids of users and chats with consent, in NFC, without white space around them."""


def read(path: str | Path) -> Consented:
    """The ids of a consent file, one a line; blank lines and lines that begin with # say nothing. Raises UserError where the file is not there."""
    if not Path(path).exists():
        raise UserError(f"{path}: no such file; the consent file has the ids of users or chats that agreed, one a line")
    lines = (_plain(line) for line in read_text(path).removeprefix("\ufeff").split("\n"))
    return frozenset(line for line in lines if line and not line.startswith("#"))


def given(record_consent: Any, ids: Iterable[str], consented: Consented) -> bool:
    """Whether a chat may be used: `record_consent` is the value of the export's own field, None where it has none; `ids` are the chat's and its user's.

    The field speaks first: true, "yes", {"training": true}. One that says anything else is a no, whatever the file says. Only where the field is not
    there, or is an object that does not speak of training, does the file decide.
    """
    if isinstance(record_consent, Mapping) and (record_consent.get("revoked") or record_consent.get("withdrawn")):
        return False
    said = record_consent.get("training") if isinstance(record_consent, Mapping) else record_consent
    if said is not None:
        return said is True or (isinstance(said, str) and said.strip().casefold() in ("yes", "true"))
    return any(_plain(each) in consented for each in ids)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()
