"""The key that clients must show: made once on a machine, readable by its owner alone."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import tempfile
from pathlib import Path

from stages.common import environments
from stages.common.errors import UserError

VARIABLE = "DRAMATIS_API_KEY"
KEY = re.compile(r"[\x21-\x7e]{16,}")


def file() -> Path:
    """Where the key lies."""
    return environments.state() / "api-key"


def where() -> str:
    """Where a person finds the key."""
    return f"${VARIABLE}" if os.environ.get(VARIABLE) else str(file())


def for_engine() -> str | None:
    """The key that an engine of somebody else's asks for: DRAMATIS_ENGINE_KEY."""
    return os.environ.get("DRAMATIS_ENGINE_KEY")


def given() -> str:
    """DRAMATIS_API_KEY, else what the key's file holds, which is made where it is missing.

    Raises UserError where others may read the file, or the key is none: 16 or more visible ASCII characters.
    """
    if from_environment := os.environ.get(VARIABLE):
        return checked(from_environment, VARIABLE)
    path = file()
    if not path.exists():
        _made(path)
    with open(path, encoding="ascii", errors="replace") as held:
        if (mode := stat.S_IMODE(os.fstat(held.fileno()).st_mode)) & 0o077:
            raise UserError(f"{path}: others may read it (mode {mode:o}); take the key for known: delete the file, and a new one is made")
        return checked(held.read().strip(), str(path))


def _made(path: Path) -> None:
    """A new key in its place, whole; where somebody else has made one meanwhile, that one stays."""
    handle, beside = tempfile.mkstemp(dir=path.parent)  # 0600
    try:
        with open(handle, "w") as made:
            made.write(f"{secrets.token_urlsafe(32)}\n")
        with contextlib.suppress(FileExistsError):
            os.link(beside, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        os.unlink(beside)


def checked(key: str, where: str) -> str:
    """A key that can stand in a header. The message of the UserError does not show it."""
    if not KEY.fullmatch(key):
        raise UserError(f"{where}: expected a key of 16 or more visible ASCII characters, found one of {len(key)}; none is made where this one stands")
    return key
