"""The picture that a card is written into: which one, and its text chunks."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from stages.common import card_files, cards
from stages.common.card_files import Broken
from stages.common.errors import UserError

LIMIT = 64 << 20  # bytes of a picture
EMBEDDED = ("embeded://", "embedded://", "__asset:")  # the first is the spec's own spelling


def find(source: Path, container: str, card: dict, given: Path | None) -> tuple[Path | None, bytes]:
    """(its file, the PNG) of the picture to write into: the one that is given, else the one that the card came in, else a plain one of no file.

    `card` is whole (`cards.checked`). Raises UserError where the picture cannot be read or has more than LIMIT bytes.
    """
    path = given or source
    try:
        with open(path, "rb") as file:
            if given or container == "PNG":
                content = file.read(LIMIT + 1)
            elif container == "CHARX" and (icon := _icon(file, card)):
                return path, icon
            else:
                return None, plain()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > LIMIT:
        raise UserError(f"{path}: more than {LIMIT >> 20} MiB; a smaller picture is expected")
    return path, content


def _icon(file: BinaryIO, card: dict) -> bytes | None:
    """The main icon in a CHARX, where it is a whole PNG."""
    icons = [asset for asset in embedded(card) if asset["type"] == "icon"]
    try:
        for asset in sorted(icons, key=lambda asset: asset["name"] != "main")[:1]:
            content = card_files.member(file, asset["uri"].partition("://")[2], LIMIT)
            list(card_files.chunks(io.BytesIO(content)))
            return content
    except Broken:
        pass
    return None


def embedded(card: dict) -> list[dict]:
    """The assets of a whole card that lie in the file it came in."""
    data = card["data"]
    assets = (data if cards.version(card) == "V3" else data["extensions"].get(cards.KEPT, {})).get("assets", [])
    return [asset for asset in assets if asset["uri"].startswith(EMBEDDED)]


def with_texts(picture: bytes, texts: dict[str, bytes], where: Path) -> bytes:
    """A PNG with these text chunks, in base64, before its end; other chunks of cards are taken out, and all else stays byte for byte.

    Raises UserError with `where` for what is no whole PNG.
    """
    pieces, end = [card_files.SIGNATURE], 0
    try:
        for chunk in card_files.chunks(io.BytesIO(picture)):
            if chunk.kind == b"IEND":
                pieces += [_chunk(b"tEXt", name.encode() + b"\0" + base64.b64encode(text)) for name, text in texts.items()]
            if chunk.keyword not in card_files.CHUNKS:
                pieces.append(picture[chunk.start : chunk.end])
            end = chunk.end
    except Broken as error:
        raise UserError(f"{where}: {error}") from None
    return b"".join([*pieces, picture[end:]])


def plain(side: int = 64) -> bytes:
    """A grey square PNG of `side` pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)  # 8 bits of grey
    rows = (b"\0" + b"\x80" * side) * side  # each begins with its filter, none
    return card_files.SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
