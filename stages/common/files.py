"""Files at the edge: everything is written beside its place, flushed to disk and renamed, so a kill leaves the old file or the new one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from stages.common.errors import DISK_FULL, UserError


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text to `path`, whole or not at all. Missing parent folders are made."""
    _write(path, text.encode())


def _write(path: str | Path, content: bytes) -> None:
    with new_files(path) as (file,):
        file.write(content)


def write_json(path: str | Path, value: Any) -> None:
    """Write one JSON document, whole or not at all. Missing parent folders are made."""
    _write(path, document(value))


def document(value: Any) -> bytes:
    """One JSON document with two-space indent, in the order given."""
    return (json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n").encode()


@contextmanager
def new_files(*paths: str | Path) -> Iterator[list[BinaryIO]]:
    """Yield an open file for each path, which take their places together when the block ends well. Missing parent folders are made.

    One is replaced in a step. Of several the old ones go before the first new one comes: a kill leaves the old files, some of one
    kind, or the new ones, but never an old one beside a new one.
    """
    places = [Path(path) for path in paths]
    beside = [path.with_name(f".{path.name}.{os.getpid()}.part") for path in places]
    for path in places:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear(path)
    try:
        with ExitStack() as stack:
            yield [stack.enter_context(open(part, "wb")) for part in beside]
        for part in beside:
            _flush(part)
        for path in places if len(places) > 1 else ():
            path.unlink(missing_ok=True)
        for part, path in zip(beside, places, strict=True):
            part.replace(path)
    except OSError as error:
        _name(error, places[0])
        raise
    finally:
        for part in beside:
            part.unlink(missing_ok=True)


def _name(error: OSError, path: Path) -> None:
    """Say in the error of a full disk, which names no file, what was to be written."""
    if error.errno in DISK_FULL and error.filename is None:
        error.filename = str(path)


def _clear(path: Path) -> None:
    """Remove what a killed run left beside a file."""
    for left in path.parent.glob(f".{path.name}.*.part"):
        owner = left.name.split(".")[-2]
        if owner.isdigit() and not Path("/proc", owner).exists():
            left.unlink(missing_ok=True)


def adder(file: BinaryIO) -> Callable[[Mapping | bytes], None]:
    """A function that adds one record, or the bytes of one, to a JSONL file. Nothing is held in memory."""
    return lambda record: file.write((record if isinstance(record, bytes) else to_json(record)) + b"\n")


def to_json(record: Mapping) -> bytes:
    """A record as one line of a JSONL file, without the line's end."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False).encode()


def write_jsonl(path: str | Path, records: Iterable[Mapping]) -> None:
    """Write one JSON object a line, in the order given."""
    with new_files(path) as (file,):
        add = adder(file)
        for record in records:
            add(record)


def read_json(path: str | Path) -> Any:
    """Parse one JSON document. Raises UserError with file and line where it is not JSON or not there."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: not JSON: {error.msg} at column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON: {error}") from None


def read_text(path: str | Path) -> str:
    """A UTF-8 file. Raises UserError with file and line where it cannot be read."""
    try:
        content = Path(path).read_bytes()
        return content.decode().replace("\r\n", "\n")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}:{content.count(10, 0, error.start) + 1}: not UTF-8: byte {content[error.start]:#x}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def read_lines(path: str | Path) -> Iterator[tuple[int, Any]]:
    """Yield (line number, value) for each line of a JSONL file; the value is a ValueError where the line is not JSON.

    Blank lines are skipped. Raises UserError where the file is not there or not UTF-8.
    """
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError as error:
                yield number, ValueError(f"not JSON: {error.msg} at column {error.colno}")
            except (ValueError, RecursionError) as error:
                yield number, ValueError(f"not JSON: {str(error)[:200]}")


def read_jsonl(path: str | Path) -> list[dict]:
    """All records of a JSONL file that a stage wrote. Raises UserError with file and line where one is not JSON."""
    records = []
    for number, value in read_lines(path):
        if isinstance(value, ValueError):
            raise UserError(f"{path}:{number}: {value}")
        records.append(value)
    return records


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty folder beside `path` that takes its place when the block ends well, and is removed when it does not.

    A link stays: the folder that it leads to, perhaps on a larger disk, gets the new content.
    """
    path = Path(path)
    if path.is_symlink():
        path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.*.part"):  # of a run that was killed
        if not Path("/proc", left.name.split(".")[-2]).exists():
            shutil.rmtree(left, ignore_errors=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    shutil.rmtree(beside, ignore_errors=True)  # in a container the killed run had our own number
    beside.mkdir()
    try:
        yield beside
        for file in sorted(p for p in beside.rglob("*") if p.is_file()):
            _flush(file)
        if path.exists():
            # Out of the way in one step: a kill leaves the whole old folder, none, or the whole new one.
            old = path.with_name(f".{path.name}.old.{os.getpid()}.part")
            path.replace(old)
            beside.replace(path)
            shutil.rmtree(old)
        else:
            beside.replace(path)
    except OSError as error:
        _name(error, path)
        raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def sha256(path: str | Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
