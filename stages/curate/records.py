"""The records of a text: the lines of JSONL, the elements of a JSON array, the rows of a CSV table, one at a time, each with its line."""

from __future__ import annotations

import csv
import json
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stages.curate.faults import Fault

MAX_RECORD = 16 << 20  # bytes of one line, element or row; a chat has thousands
HEAD = 1 << 16  # bytes by which the kind of a text is told
MAX_CELL = 1 << 20  # characters of one cell of a table
TOO_LONG = Fault("too_long", f"over {MAX_RECORD >> 20} MiB", "a chat of less")


@dataclass(frozen=True)
class Record:
    """One value of a file and the line on which it begins; the value is a Fault where it is broken."""

    line: int
    value: Any


# What the first lines of each kind look like. A broken line must not make another kind of its file.
_ARRAY = re.compile(rb"\s*\[\s*[{\]]")
_OBJECT_LINE = re.compile(rb"^[ \t]*\{(?!\{)", re.MULTILINE)  # "{{user}}, said he" is no object


def read(blocks: Iterator[bytes]) -> Iterator[Record]:
    """The records of a text; its first block tells of which kind it is.

    `blocks` are UTF-8 bytes; where they raise a Fault, it is the last record.
    """
    text = _Text(blocks)
    head = text.head()
    if _ARRAY.match(head):
        yield from _elements(text)
    elif _OBJECT_LINE.search(head) or head.lstrip().startswith(b"["):
        yield from _json_lines(text)
    elif _is_text(head):
        yield from _rows(text)
    elif head:
        yield Record(1, Fault("format", "neither JSON Lines nor a JSON array nor a table", "a file of chats"))
        return
    if text.damage:
        yield Record(text.line, text.damage)


def _is_text(head: bytes) -> bool:
    """Whether a table may begin so: UTF-8 without NUL; the last character may be cut off."""
    try:
        head[:-4].decode()
    except UnicodeDecodeError as error:
        return error.start > 1000  # far into the text it is one bad line
    return bool(head.strip()) and b"\0" not in head[:1000]


class _Text:
    """Blocks of bytes with a look ahead; `damage` is what ended them too early, `line` the number of the next line to be read."""

    def __init__(self, blocks: Iterator[bytes]):
        self._blocks, self._ahead, self.line, self.damage = blocks, b"", 1, None

    def more(self) -> bytes:
        """The next block, empty at the end."""
        if self._ahead:
            block, self._ahead = self._ahead, b""
            return block
        try:
            return next((block for block in self._blocks if block), b"")
        except Fault as damage:
            self.damage = damage
            return b""

    def head(self) -> bytes:
        """The first HEAD bytes or more, which stay to be read; empty lines before them are counted and gone."""
        head = b""
        while len(head) < HEAD and (block := self.more()):
            head += block
            if not head.strip():
                self.line += head.count(b"\n")
                head = b""
        self._ahead = head
        return head

    def filled_lines(self) -> _Lines:
        """The lines that hold more than white space."""
        return _Lines((number, line) for number, line in self.lines() if line is None or line.strip())

    def lines(self) -> Iterator[tuple[int, bytes | None]]:
        """(number, line without its end); None for a line over MAX_RECORD, whose bytes are read and let go."""
        held: list[bytes] = []
        size = 0
        while block := self.more():
            start = 0
            while (end := block.find(b"\n", start)) >= 0:
                if size + end - start > MAX_RECORD:
                    line = None
                else:
                    line = b"".join([*held, block[start:end]]) if held else block[start:end]
                held, size, start = [], 0, end + 1
                self.line += 1
                yield self.line - 1, line
            size += len(block) - start
            held = [*held, block[start:]] if size <= MAX_RECORD else []
        if size:
            self.line += 1
            # Of text that was cut off the last line is a part of a line: the damage itself is told in its place.
            if not self.damage:
                yield self.line - 1, b"".join(held) if size <= MAX_RECORD else None


class _Lines(Iterator[tuple[int, bytes | None]]):
    """Lines with their numbers, some of which can be given back to be read again."""

    def __init__(self, lines: Iterator[tuple[int, bytes | None]]):
        self._lines, self._again = lines, deque()

    def __next__(self) -> tuple[int, bytes | None]:
        return self._again.popleft() if self._again else next(self._lines)

    def back(self, lines: Sequence[tuple[int, bytes | None]]) -> None:
        self._again.extendleft(reversed(lines))


def parse(raw: bytes | None) -> Any:
    """The value of one JSON text, or a Fault that says what is wrong with it.

    Stricter than Python: a key twice in one object, NaN and Infinity are errors, for half of what they say would be lost.
    """
    if raw is None:
        return TOO_LONG
    try:
        return _DECODER.decode(raw.decode())
    except UnicodeDecodeError as error:
        return _not_utf8(error)
    except json.JSONDecodeError as error:
        return Fault("json", f"{error.msg} at column {error.pos + 1}", "JSON")
    except RecursionError:
        return Fault("json", "nested too deep", "JSON")
    except ValueError as error:
        return error if isinstance(error, Fault) else Fault("json", "a number of thousands of digits", "JSON")


def _not_utf8(error: UnicodeDecodeError) -> Fault:
    return Fault("encoding", f"byte {error.object[error.start]:#x} at column {error.start + 1}", "UTF-8")


def _once(pairs: list[tuple[str, Any]]) -> dict:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Fault("json", "a key twice in one object", "each key once")
    return found


def _no_constant(_name: str) -> None:
    raise Fault("json", "NaN or Infinity", "JSON's own numbers")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)


def _json_lines(text: _Text) -> Iterator[Record]:
    lines = text.filled_lines()
    number, line = next(lines, (1, b""))
    value = parse(line)
    if isinstance(value, Fault) and line is not None and not isinstance(parsed := parse(_one_document(line, lines)), Fault):
        yield Record(number, parsed)
        return
    yield Record(number, value)
    for number, line in lines:
        yield Record(number, parse(line))


def _one_document(first: bytes, lines: _Lines) -> bytes:
    """The whole text, which may be one object over many lines; where it is longer than a record, its beginning, which is none. The lines stay to be read."""
    held, size = [], len(first)
    for number, line in lines:
        held.append((number, line))
        size += len(line) + 1 if line is not None else MAX_RECORD
        if size > MAX_RECORD:
            break
    lines.back(held)
    return b"{" if size > MAX_RECORD else b"\n".join([first, *(line for _, line in held)])


_MARK = re.compile(rb'["\[\]{},\n]')
_IN_STRING = re.compile(rb'["\\\n]')


def _elements(text: _Text) -> Iterator[Record]:
    """Elements are cut by their brackets alone and parsed one by one, so that a broken one costs no other and memory holds one."""
    depth, quoted, skip = 0, False, 0  # skip: bytes of the next block that a backslash at the end of this one has taken
    held: list[bytes] = []  # of the element that has begun
    size, began, ended = 0, text.line, False
    while block := text.more():
        start = place = skip
        skip = 0
        while hit := (_IN_STRING if quoted else _MARK).search(block, place):
            place, mark = hit.end(), hit.group()
            if mark == b"\n":
                text.line += 1
            elif mark == b"\\":
                place += 1  # the byte after it is no mark, even in the next block
            elif mark == b'"':
                quoted = not quoted
            elif ended:
                continue
            elif mark in b"[{":
                depth += 1
                if depth == 1:
                    start, began = place, text.line
            elif mark == b"," and depth == 1 or mark in b"]}" and depth == 1:
                piece = block[start : place - 1]
                yield from _element(held, piece, size, began, last=mark != b",")
                held, size, start, began = [], 0, place, text.line
                ended = mark != b","
                depth -= ended
            elif mark in b"]}":
                depth -= 1
        skip = max(0, place - len(block))
        if not (held or size) and not block[start:].strip():
            began = text.line  # nothing of the next element yet
        size += len(block) - start
        held = [*held, block[start:]] if size <= MAX_RECORD else []
    rest = b"".join(held).strip()
    if ended and (rest or size > MAX_RECORD):
        yield Record(began, Fault("json", "text after the end of the array", "nothing"))
    elif not ended and not text.damage:
        yield Record(began, Fault("damaged", "the file ends inside the array", "its end"))


def _element(held: list[bytes], piece: bytes, size: int, began: int, last: bool) -> Iterator[Record]:
    if size + len(piece) > MAX_RECORD:
        yield Record(began, parse(None))
        return
    raw = b"".join([*held, piece])
    if raw.strip() or not last:  # nothing stands between the last comma and the end
        lead = len(raw) - len(raw.lstrip())
        yield Record(began + raw.count(b"\n", 0, lead), parse(raw.strip()))


@dataclass(frozen=True)
class Row:
    """One row of a table: its cells, and the table's column names where its first row gave them."""

    cells: tuple[str, ...]
    names: tuple[str, ...] | None


HUMAN_COLUMNS = ("human", "user", "prompt", "question", "input", "instruction")
CHARACTER_COLUMNS = ("gpt", "assistant", "character", "response", "answer", "output", "reply")


def _rows(text: _Text) -> Iterator[Record]:
    lines = text.filled_lines()
    first = next(lines, None)
    if first is None:
        return
    delimiter = _delimiter((first[1] or b"").decode(errors="replace"))
    names = None
    lines.back([first])
    for line, cells in _cells(lines, delimiter):
        if isinstance(cells, Fault):
            yield Record(line, cells)
        elif line == first[0] and _names(cells):
            names = _names(cells)
        else:
            yield Record(line, Row(tuple(cells), names))


def _delimiter(line: str) -> str:
    """The one that makes two cells, or a known column name, of a table's first line."""
    for delimiter in "\t,;":
        try:
            cells = next(csv.reader([line[:MAX_CELL]], delimiter=delimiter), [])
        except csv.Error:  # the row itself is told when it is read
            continue
        if len(cells) == 2 or _names(cells):
            return delimiter
    return ","


def _names(cells: Sequence[str]) -> tuple[str, ...] | None:
    """The cells as column names, where one of them is known."""
    lowered = tuple(cell.strip().lower() for cell in cells)
    return lowered if set(lowered) & {*HUMAN_COLUMNS, *CHARACTER_COLUMNS} else None


def _cells(lines: _Lines, delimiter: str) -> Iterator[tuple[int, list[str] | Fault]]:
    """Rows by the csv module; a quoted cell may hold line ends. A broken row is given up with its first line alone: the others are read again."""
    csv.field_size_limit(MAX_CELL)
    fed: list[tuple[int, bytes | None]] = []  # what the row in work is made of

    def feed() -> Iterator[str]:
        for number, line in lines:
            fed.append((number, line))
            if line is None or b"\0" in line:
                raise TOO_LONG if line is None else Fault("csv", "a NUL byte", "text")
            try:
                yield line.decode() + "\n"
            except UnicodeDecodeError as error:
                raise _not_utf8(error) from None

    reader = csv.reader(feed(), delimiter=delimiter, strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (Fault, csv.Error) as error:
            yield fed[0][0], error if isinstance(error, Fault) else Fault("csv", str(error), "a row of a table")
            lines.back(fed[1:])
            fed.clear()
            reader = csv.reader(feed(), delimiter=delimiter, strict=True)
        else:
            yield fed[0][0], cells
            fed.clear()
