"""The chats of files of any size, piece by piece, by all cores: what comes back is in the files' order, and nobody holds a million chats."""

from __future__ import annotations

import gc
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import orjson

from stages.common import chats, guard, schemas
from stages.common.errors import UserError

PIECE = 4 << 20  # bytes: some 2,000 chats, a second of work
AHEAD = 4  # pieces a core may be ahead of whoever takes the results

Result = TypeVar("Result")


@dataclass(frozen=True)
class Piece:
    """A part of a JSONL file: whole lines from byte `start` up to byte `end`."""

    path: str
    start: int
    end: int


def pieces(path: str | Path, size: int = PIECE) -> list[Piece]:
    """A file in parts of about `size` bytes. Raises UserError where it cannot be read."""
    found, start = [], 0
    try:
        with open(path, "rb") as file:
            whole = file.seek(0, os.SEEK_END)
            while start < whole:
                file.seek(min(start + size, whole))
                file.readline()
                end = file.tell()
                found.append(Piece(str(path), start, end))
                start = end
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    return found


def read(piece: Piece) -> Iterator[tuple[int, int, dict]]:
    """(first byte, byte after the last, chat) of each line of a piece. Raises UserError with file and line where one is no chat."""
    with open(piece.path, "rb") as file:
        file.seek(piece.start)
        text = file.read(piece.end - piece.start)
    start = 0
    while start < len(text):
        end = text.find(b"\n", start) + 1 or len(text)
        line = text[start:end].strip()
        if line:
            yield piece.start + start, piece.start + end, _chat(line, piece, piece.start + start)
        start = end


def _chat(line: bytes, piece: Piece, start: int) -> dict:
    try:
        chat = orjson.loads(line)
        if schemas.fits("chat", chat) and not chats.out_of_turn(chat):
            return chat
    except orjson.JSONDecodeError:
        pass
    try:  # slowly, for the words
        return chats.parse(line)
    except ValueError as problem:
        raise UserError(f"{piece.path}:{_line_number(piece.path, start)}: {problem}") from None


def _line_number(path: str, start: int) -> int:
    """The number of the line that begins at a byte."""
    number, left = 1, start
    with open(path, "rb") as file:
        while left and (block := file.read(min(left, PIECE))):
            number, left = number + block.count(b"\n"), left - len(block)
    return number


def over(parts: Sequence[Piece], work: Callable[[Piece], Result]) -> Iterator[Result]:
    """`work` of each piece, in their order; on all cores where there is enough of it. `work` must be a function of a module, or a partial of one."""
    cores = len(os.sched_getaffinity(0))
    if cores == 1 or sum(part.end - part.start for part in parts) < PIECE:
        yield from map(work, parts)
        return
    with ProcessPoolExecutor(cores, get_context("fork"), _begin) as pool:
        waiting, left = deque(), iter(parts)
        try:
            for part in left:
                waiting.append(pool.submit(work, part))
                if len(waiting) > AHEAD * cores:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise UserError("a process that read chats was killed from outside; is there enough memory?") from None
        finally:
            pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """A worker ends with its parent, however that ends, and leaves Ctrl-C to it."""
    guard.end_with_parent()
    gc.disable()  # what chats are made of has no cycles, and looking for some takes a tenth of the time
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
