"""Which chats have been kept, for a million of them in the memory of a few."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


class Seen:
    """Where each chat was first found, by its id."""

    def __init__(self, database: sqlite3.Connection):
        self._database = database

    def before(self, name: str, place: str) -> str | None:
        """Where `name` was found before; where it was not, it is now found at `place`."""
        row = self._database.execute("SELECT place FROM seen WHERE name = ?", (name,)).fetchone()
        if row is None:
            self._database.execute("INSERT INTO seen VALUES (?, ?)", (name, place))
        return row and row[0]


@contextmanager
def seen() -> Iterator[Seen]:
    """An empty one, in a temporary file that SQLite makes where its cache is full and removes."""
    database = sqlite3.connect("", isolation_level=None)
    database.execute("PRAGMA synchronous = OFF")
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("CREATE TABLE seen (name TEXT PRIMARY KEY, place TEXT) WITHOUT ROWID")
    database.execute("BEGIN")
    try:
        yield Seen(database)
    finally:
        database.close()
