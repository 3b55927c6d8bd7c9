"""Every answer of an endpoint in one SQLite file, so that nobody pays for it twice: not after a kill, not in another run beside this one."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stages.common.errors import UserError

AT_ONCE = 500  # keys in one query; SQLite allows 32,766


@dataclass(frozen=True)
class Answer:
    """What came back: the text, why it ended, and the tokens it took.

    `finish` is the endpoint's word ("stop", "length", "content_filter"), or "refusal" where the endpoint marks the text as one.
    """

    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int


def key(endpoint: str, index: int, body: Mapping) -> str:
    """SHA-256 in hex of what decides an answer: who is asked, the whole request (model, messages, sampling, seed), and its number among equal ones."""
    asked = json.dumps([endpoint, index, body], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()


class AnswerStore:
    """One row a request. An answer that `put` has returned from outlives any kill; a power cut can take the last moment's.

    `claim` keeps two runs from asking the same at once. A claim is a lock of the kernel on one byte of a file beside the store: it ends with its process,
    however that ends, so that none is ever left over. It is the process's: one process opens a store once (to close a second would end the first one's claims).
    """

    def __init__(self, path: Path | None):
        """Open or begin the store at `path`; None keeps it in memory, for this process alone. Raises UserError where the file is no store."""
        self.path = path
        self._claims = None
        with self._told():
            if path is not None:  # 0600: what a team paid for is not for every user of the machine
                self._claims = os.open(path.with_name(f"{path.name}.claims"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(self._claims, fcntl.LOCK_EX)  # SQLite's change to WAL does not wait for another process that makes the same change
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._rows = sqlite3.connect(path or ":memory:", timeout=60, isolation_level=None)
            self._rows.execute("PRAGMA journal_mode=WAL")
            self._rows.execute("PRAGMA synchronous=NORMAL")
            self._rows.execute(
                "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, text TEXT NOT NULL, finish TEXT NOT NULL, "
                "prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL) WITHOUT ROWID"
            )
            if self._claims is not None:
                fcntl.flock(self._claims, fcntl.LOCK_UN)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:  # SQLite quotes broken bytes as they are
            raise UserError(f"{self.path}: the store of answers cannot be used: {error}") from None
        except OSError as error:
            raise UserError(f"{self.path}: the store of answers cannot be used: {error.strerror}") from None

    def find(self, keys: Iterable[str]) -> dict[str, Answer]:
        """The answers there are, by key."""
        wanted, found = list(keys), {}
        with self._told():
            for start in range(0, len(wanted), AT_ONCE):
                part = wanted[start : start + AT_ONCE]
                rows = self._rows.execute(
                    f"SELECT key, text, finish, prompt_tokens, completion_tokens FROM answers WHERE key IN ({','.join('?' * len(part))})", part
                )
                found.update((row[0], Answer(*row[1:])) for row in rows)
        return found

    def put(self, answers: Mapping[str, Answer]) -> int:
        """Keep answers; one that is there already stays as it is. The number of new ones."""
        before = self._rows.total_changes
        with self._told(), self._rows:  # commits, or rolls back
            self._rows.execute("BEGIN IMMEDIATE")
            self._rows.executemany(
                "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?)",
                [(name, answer.text, answer.finish, answer.prompt_tokens, answer.completion_tokens) for name, answer in answers.items()],
            )
        return self._rows.total_changes - before

    def claim(self, name: str) -> bool:
        """Take the right to ask for a key; False where another process has it now."""
        if self._claims is None:
            return True
        with self._told():
            try:
                fcntl.lockf(self._claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, int(name[:15], 16))
            except (BlockingIOError, PermissionError):  # POSIX lets a system say either
                return False
        return True

    def release(self, name: str) -> None:
        """Give a claim back."""
        if self._claims is not None:
            fcntl.lockf(self._claims, fcntl.LOCK_UN, 1, int(name[:15], 16))

    def close(self) -> None:
        self._rows.close()
        if self._claims is not None:
            os.close(self._claims)

    def __enter__(self) -> AnswerStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
