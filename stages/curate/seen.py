"""Which chats have been kept, for a million of them in the memory of a few."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

CACHE_KIB = 48 << 10  # a million names; beyond that SQLite goes to its file


class Seen:
    """Where each chat was first found, by its id."""

    def __init__(self, database: sqlite3.Connection):
        self._database = database

    def before(self, name: str, place: str) -> str | None:
        """Where `name` was found before; where it was not, it is now found at `place`."""
        # 64 bits of a hash for a name: half the size, and two of a million chats are taken for one in one of 37 million runs.
        key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)
        row = self._database.execute("SELECT place FROM seen WHERE name = ?", (key,)).fetchone()
        if row is None:
            self._database.execute("INSERT INTO seen VALUES (?, ?)", (key, place))
        return row and row[0]


@contextmanager
def seen() -> Iterator[Seen]:
    """An empty one, in a temporary file that SQLite makes where its cache is full and removes."""
    database = sqlite3.connect("", isolation_level=None)
    database.execute("PRAGMA synchronous = OFF")
    database.execute("PRAGMA journal_mode = OFF")
    database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    database.execute("CREATE TABLE seen (name INTEGER PRIMARY KEY, place TEXT)")
    database.execute("BEGIN")
    try:
        yield Seen(database)
    finally:
        database.close()
