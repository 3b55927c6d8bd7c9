"""data/raw/forget.txt: whose chats are to be left out for ever, as salted hashes, so that the list itself names nobody.

    salt: 32 hex digits
    64 hex digits          SHA-256 of the salt, a line feed and an id (of a user or a chat); one a line
    # a line that begins with # says nothing

The salt stands beside the hashes: it keeps lists of two projects from being compared, not somebody who guesses ids and has the file.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import read_text, write_text

FILE = Path("data/raw/forget.txt")
SALT = re.compile(r"salt: ([0-9a-f]{32})")
HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Forgotten:
    """Ids that are to be forgotten, known by their hashes alone."""

    salt: str = ""
    hashes: frozenset[str] = frozenset()

    def holds(self, ids: Iterable[str]) -> bool:
        """Whether one of the ids is to be forgotten."""
        return bool(self.hashes) and any(_hash(self.salt, each) in self.hashes for each in ids)


def read(path: str | Path = FILE) -> Forgotten:
    """What the file lists; nobody where there is no file. Raises UserError with file and line where a line is not of its form."""
    if not Path(path).exists():
        return Forgotten()
    first, *lines = (line.strip() for line in read_text(path).split("\n"))
    salt = SALT.fullmatch(first)
    if not salt:
        raise UserError(f"{path}:1: {first[:60]!r}, not `salt: ` and 32 hex digits in small letters, which `python -m tools.forget add` writes")
    hashes = set()
    for number, line in enumerate(lines, start=2):
        if HASH.fullmatch(line):
            hashes.add(line)
        elif line and not line.startswith("#"):
            raise UserError(f"{path}:{number}: {line[:60]!r}, not the 64 hex digits in small letters of a hash; `python -m tools.forget add` takes ids")
    return Forgotten(salt[1], frozenset(hashes))


def add(path: str | Path, ids: Iterable[str]) -> int:
    """Add ids and return how many were new. A new file gets a salt of its own; blank ids are passed over. Raises UserError as `read` does."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # of two at once one would be lost in silence
        old = read(path)
        salt = old.salt or secrets.token_hex(16)
        # Sorted: the order of the list says nothing about who asked first.
        new = sorted({_hash(salt, each) for each in ids if each.strip()} - old.hashes)
        if new:
            before = read_text(path).rstrip("\n") if old.salt else f"salt: {salt}"
            write_text(path, "\n".join([before, *new]) + "\n")
        return len(new)
    finally:
        os.close(folder)


def _hash(salt: str, each: str) -> str:
    return hashlib.sha256(f"{salt}\n{unicodedata.normalize('NFC', each).strip()}".encode(errors="surrogatepass")).hexdigest()
