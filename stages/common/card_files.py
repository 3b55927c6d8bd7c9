"""In which file a character card lies: JSON, PNG or CHARX, told by its first bytes and never by its name. Nothing is extracted to disk.

A card comes from a stranger: whatever a file says of its own sizes, no more than a card of LIMIT bytes is held or inflated. Parsed, the
worst one (nothing but small objects) takes 35 times as much (measured with CPython 3.11: 545 MiB).
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from stages.common.errors import UserError

LIMIT = 16 << 20  # bytes of a card's JSON; the largest lorebooks have a few MiB
LEVELS = 100  # of objects and lists in one another; a card needs six
DIGITS = 300  # of an integer; more is no number for those who count in floats
SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHUNKS = ("ccv3", "chara")  # the names of text chunks that hold a card, V3's first: where both are there, it is the card
_ARCHIVE = (b"PK\x03\x04", b"PK\x05\x06")
_DIRECTORY = 1 << 20  # bytes of a CHARX's list of members, some ten thousand


class Broken(Exception):
    """What is wrong with a file, in a sentence without its name."""


@dataclass(frozen=True)
class CardFile:
    """A card as it lies in a file, not yet checked."""

    container: str  # "JSON", "PNG" or "CHARX"
    card: Any  # the JSON value


@dataclass(frozen=True)
class Chunk:
    """A chunk of a PNG: its bytes, from its length to its CRC, are those from `start` up to, not including, `end`."""

    kind: bytes
    start: int
    end: int
    keyword: str  # of a text chunk, in lower case, else ""


def read(path: str | Path) -> CardFile:
    """The card in a file. Raises UserError with the file where there is none, or it cannot be read safely."""
    try:
        with open(path, "rb") as file:
            container, place, content = _found(file)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Broken as error:
        raise UserError(f"{path}: {error}") from None
    return CardFile(container, parsed(content, f"{path}{place}"))


def _found(file: BinaryIO) -> tuple[str, str, bytes]:
    """(container, place of the card in it, the card's JSON)."""
    start = file.read(len(SIGNATURE))
    file.seek(0)
    if start == SIGNATURE:
        name, content = _in_png(file)
        return "PNG", f":{name}", content
    if start.startswith(_ARCHIVE):
        return "CHARX", ":card.json", member(file, "card.json", LIMIT)
    return "JSON", "", file.read(LIMIT + 1)


def parsed(content: bytes, where: str) -> Any:
    """Strict JSON: finite numbers, each key once, no more than LIMIT bytes and LEVELS levels. Raises UserError that begins with `where` and the line."""
    if len(content) > LIMIT:
        raise UserError(f"{where}: more than {LIMIT >> 20} MiB; no card is so long")
    try:
        value = json.loads(content.decode(), object_pairs_hook=_object, parse_constant=_number, parse_float=_number, parse_int=_number)
        if _deep(value):
            raise RecursionError
        return value
    except UnicodeDecodeError as error:
        raise UserError(f"{where}:{content.count(10, 0, error.start) + 1}: not UTF-8: byte {content[error.start]:#x}") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{where}:{error.lineno}: not JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise UserError(f"{where}: not JSON: objects and lists in one another, more than {LEVELS} levels deep") from None
    except ValueError as error:
        raise UserError(f"{where}: not JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {twice[:80]!r} stands twice in one object")
    return found


def _number(digits: str) -> int | float:
    if digits.lstrip("-").isdigit():
        if len(digits) > DIGITS:
            raise ValueError(f"an integer of {len(digits)} digits; at most {DIGITS} are read")
        return int(digits)
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:40]} is no finite number")
    return value


def _deep(value: Any) -> bool:
    layer = [value]
    for _ in range(LEVELS):
        layer = [inner for outer in layer if isinstance(outer, dict | list) for inner in (outer.values() if isinstance(outer, dict) else outer)]
    return any(isinstance(inner, dict | list) for inner in layer)


def chunks(file: BinaryIO) -> Iterator[Chunk]:
    """The chunks of a PNG in order, up to IEND, each after its length and CRC were found right; any of them may be large, none is held.

    Raises Broken.
    """
    if file.read(len(SIGNATURE)) != SIGNATURE:
        raise Broken("not a PNG")
    start, end = len(SIGNATURE), file.seek(0, 2)
    while True:
        file.seek(start)
        if len(head := file.read(8)) < 8:
            raise Broken("a broken PNG: it ends before its IEND chunk")
        length, kind = struct.unpack(">I4s", head)
        name = kind.decode("ascii", "backslashreplace")
        if start + 12 + length > end:
            raise Broken(f"a broken PNG: the chunk {name!r} at byte {start} says that it has {length} bytes; the file has {max(0, end - start - 12)} more")
        keyword, crc, left = "", zlib.crc32(kind), length
        while left and (block := file.read(min(left, 1 << 16))):
            if left == length and kind in (b"tEXt", b"zTXt", b"iTXt"):
                keyword = block[:80].partition(b"\0")[0].decode("latin-1").lower()
            crc, left = zlib.crc32(block, crc), left - len(block)
        if file.read(4) != struct.pack(">I", crc):
            raise Broken(f"a broken PNG: the chunk {name!r} at byte {start} does not have the CRC that it says")
        yield Chunk(kind, start, start + 12 + length, keyword)
        if kind == b"IEND":
            return
        start += 12 + length


def _in_png(file: BinaryIO) -> tuple[str, bytes]:
    """(name of the chunk, the card's JSON)."""
    found: dict[str, Chunk] = {}
    for chunk in chunks(file):
        if chunk.keyword in CHUNKS:
            if chunk.keyword in found:
                raise Broken(f"two text chunks {chunk.keyword}; expected one card")
            found[chunk.keyword] = chunk
    name = next((name for name in CHUNKS if name in found), None)
    if name is None:
        raise Broken("a PNG without a character card: it has no text chunk chara or ccv3")
    most = LIMIT // 2 * 3  # base64 takes 4/3, and may be broken into lines
    if found[name].end - found[name].start > most:
        raise Broken(f"the text chunk {name} has {found[name].end - found[name].start} bytes; a card of {LIMIT >> 20} MiB needs no more than {most}")
    file.seek(found[name].start + 8)
    data = file.read(found[name].end - found[name].start - 12)
    try:
        text = _text(found[name].kind, data, most).translate(None, b"\r\n\t ")
        return name, base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Broken(f"the text chunk {name} is not base64: {error}") from None


def _text(kind: bytes, data: bytes, most: int) -> bytes:
    """What stands behind the keyword of a text chunk (https://www.w3.org/TR/png-3/#11textinfo), inflated where it is compressed."""
    text = data.partition(b"\0")[2]
    if kind == b"tEXt":
        return text
    if kind == b"zTXt":
        return _inflated(text[1:], most)
    content = b"".join(text[2:].split(b"\0", 2)[2:])  # iTXt: two flags, the language, the translated keyword
    return _inflated(content, most) if text[:1] == b"\1" else content


def _inflated(data: bytes, most: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(data, most + 1)
    except zlib.error as error:
        raise Broken(f"a text chunk does not inflate: {error}") from None
    if len(text) > most:
        raise Broken(f"a text chunk inflates to more than {most} bytes; a card of {LIMIT >> 20} MiB needs no more")
    if not inflater.eof:
        raise Broken("a text chunk does not inflate: it is cut off")
    return text


def member(file: BinaryIO, name: str, most: int) -> bytes:
    """One member of a CHARX, of at most `most` bytes. Raises Broken where it is not there once, or anything in the archive is unsafe."""
    try:
        with zipfile.ZipFile(_InSmallReads(file)) as archive:
            members = archive.infolist()
            if unsafe := next(filter(_unsafe, members), None):
                raise Broken(f"the archive's member {unsafe.orig_filename[:200]!r} is a link or lies outside the archive")
            named = [member for member in members if member.filename == name]
            if len(named) != 1:
                raise Broken(f"the archive has {len(named)} members {name}; expected one")
            if named[0].flag_bits & 1:
                raise Broken(f"{name} is encrypted")
            if named[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Broken(f"{name} is compressed by method {named[0].compress_type}; expected deflate or none")
            if named[0].file_size > most:
                raise Broken(f"{name} has {named[0].file_size} bytes; at most {most} are read")
            content = bytearray()
            with archive.open(named[0]) as stream:
                while len(content) <= most and (block := stream.read(1 << 16)):
                    content += block
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OSError) as error:
        raise Broken(f"a broken archive: {error or type(error).__name__}") from None
    if len(content) > most:
        raise Broken(f"{name} has more bytes than it says; at most {most} are read")
    return bytes(content)


def _unsafe(member: zipfile.ZipInfo) -> bool:
    first, *rest = re.split(r"[/\\]", member.orig_filename)
    return first == "" or ":" in first or "\0" in member.orig_filename or ".." in (first, *rest) or stat.S_ISLNK(member.external_attr >> 16)


class _InSmallReads:
    """A file that gives no more than a mebibyte at once: a zip says how long its list of members is, and may lie."""

    def __init__(self, file: BinaryIO):
        self._file, self.seek, self.tell, self.seekable = file, file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(_DIRECTORY + 1 if size < 0 else min(size, _DIRECTORY + 1))
        if len(content) > _DIRECTORY:
            raise Broken(f"its list of members has more than {_DIRECTORY >> 20} MiB")
        return content
