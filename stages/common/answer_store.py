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
from uuid import uuid4

from stages.common.errors import UserError

AT_ONCE = 500  # keys in one query; SQLite allows 32,766
REFILL = ". Move it away: the file of answers that the pipeline keeps fills a new one"


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


def _in_a_line(error: Exception) -> str:
    """An error's words; SQLite quotes broken bytes as they are, line ends and controls among them."""
    return "".join(one if one.isprintable() else "\ufffd" for one in " ".join(str(error).split()))[:300]


def _damaged(error: Exception) -> bool:
    """Whether a store is past use, and not only locked, or without space."""
    return isinstance(error, UnicodeDecodeError) or getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class AnswerStore:
    """One row a request, and a book of what requests took: each is booked at its most before it goes out, and settled when its answer comes.

    What `settle` has returned from outlives any kill; a power cut can take the last moment's. A request whose run was killed stays booked at its most.

    `claim` keeps two runs from asking the same at once. A claim is a lock of the kernel on one byte of a file beside the store: it ends with its process,
    however that ends, so that none is ever left over. It is the process's: one process opens a store once (to close a second would end the first one's claims).
    """

    def __init__(self, path: Path | None):
        """Open or begin the store at `path`; None keeps it in memory, for this process alone. Raises UserError where the file is no store."""
        self.path = path
        self.run = uuid4().hex
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
            self._open_book()
            if self._claims is not None:
                fcntl.flock(self._claims, fcntl.LOCK_UN)

    def _open_book(self) -> None:
        """Begin the book of uses, where there is none, with what the answers that are there took."""
        if self._rows.execute("SELECT 1 FROM sqlite_master WHERE name = 'uses'").fetchone():
            return
        self._rows.execute("BEGIN IMMEDIATE")
        self._rows.execute(
            "CREATE TABLE uses (id INTEGER PRIMARY KEY, run TEXT NOT NULL, key TEXT NOT NULL, requests INTEGER NOT NULL, "
            "prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL)"
        )
        self._rows.execute(
            "INSERT INTO uses (run, key, requests, prompt_tokens, completion_tokens) SELECT '', key, 1, prompt_tokens, completion_tokens FROM answers"
        )
        self._rows.execute("COMMIT")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise UserError(f"{self.path}: the store of answers cannot be used: {_in_a_line(error)}{REFILL if _damaged(error) else ''}") from None
        except OSError as error:
            raise UserError(f"{self.path}: the store of answers cannot be used: {error.strerror}") from None

    def find(self, keys: Iterable[str]) -> dict[str, Answer]:
        """The answers there are, by key."""
        wanted, found = list(keys), {}
        with self._told():
            for start in range(0, len(wanted), AT_ONCE):
                part = wanted[start : start + AT_ONCE]
                query = f"SELECT key, text, finish, prompt_tokens, completion_tokens FROM answers WHERE key IN ({','.join('?' * len(part))})"
                for row in self._rows.execute(query, part):
                    if [type(value) for value in row] != [str, str, str, int, int]:
                        raise UserError(f"{self.path}: the store of answers cannot be used: the row of {row[0]} holds no answer{REFILL}")
                    found[row[0]] = Answer(*row[1:])
        return found

    def put(self, answers: Mapping[str, Answer]) -> int:
        """Keep answers that were paid for elsewhere; one that is there already stays as it is. The number of new ones."""
        with self.exclusive():
            there = self.find(answers)
            new = {name: answer for name, answer in answers.items() if name not in there}
            for name, answer in new.items():
                self._insert(name, answer)
                self.book(name, 1, answer.prompt_tokens, answer.completion_tokens)
        return len(new)

    def settle(self, name: str, requests: int, prompt_tokens: int, completion_tokens: int, answer: Answer | None) -> None:
        """What a request took in the end, as the difference from what was booked before it went out, and its answer, where there is one."""
        with self.exclusive():
            if answer:
                self._insert(name, answer)
            if requests or prompt_tokens or completion_tokens:
                self.book(name, requests, prompt_tokens, completion_tokens)

    def _insert(self, name: str, answer: Answer) -> None:
        values = (name, answer.text, answer.finish, answer.prompt_tokens, answer.completion_tokens)
        self._rows.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?)", values)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """A block in which nobody else writes; all of what it writes is kept, or nothing."""
        with self._told(), self._rows:  # commits, or rolls back
            self._rows.execute("BEGIN IMMEDIATE")
            yield

    def book(self, name: str, requests: int, prompt_tokens: int, completion_tokens: int) -> None:
        """Add to what the requests with a key have taken. In `exclusive`."""
        values = (self.run, name, requests, prompt_tokens, completion_tokens)
        self._rows.execute("INSERT INTO uses (run, key, requests, prompt_tokens, completion_tokens) VALUES (?, ?, ?, ?, ?)", values)

    def booked(self, keys: Iterable[str]) -> list[tuple[str, int, int, int]]:
        """(key, requests, prompt tokens, completion tokens) of each use by any run."""
        wanted = set(keys)  # and no index, which every request would pay for: a look at 100,000 uses takes a tenth of a second
        with self._told():
            return [row for row in self._rows.execute("SELECT key, requests, prompt_tokens, completion_tokens FROM uses") if row[0] in wanted]

    def booked_since(self, number: int) -> tuple[int, list[tuple[str, int, int, int]]]:
        """(number of the last use, those of other runs after number `number`)."""
        with self._told():
            last = self._rows.execute("SELECT max(id) FROM uses").fetchone()[0] or 0
            if last == number:
                return last, []
            query = "SELECT key, requests, prompt_tokens, completion_tokens FROM uses WHERE id > ? AND run != ?"
            return last, self._rows.execute(query, (number, self.run)).fetchall()

    def is_empty(self) -> bool:
        """Whether nobody has ever asked anything here."""
        with self._told():
            return self._rows.execute("SELECT 1 FROM uses LIMIT 1").fetchone() is None

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
