"""A file as UTF-8 bytes, however it was packed (plain, gzip, zstd) and encoded (UTF-8 with or without a BOM, UTF-16), in bounded memory."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import zstandard

from stages.curate.faults import Fault

BLOCK = 1 << 20  # bytes read from the file at once, and the most that one step of unpacking gives


def unpacked(path: Path) -> Iterator[bytes]:
    """The file's text in blocks of at most a few MiB, as UTF-8 without a BOM. Bytes that are no UTF-8 stay as they are.

    Raises Fault where packed bytes are broken or cut off, after the blocks before; OSError where the file cannot be read.
    """
    with open(path, "rb") as file:
        blocks: Iterable[bytes] = iter(lambda: file.read(BLOCK), b"")
        yield from _as_utf8(_unpack(blocks))


def _unpack(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """By the first bytes, never by the name."""
    blocks = iter(blocks)
    first = next(blocks, b"")
    whole = chain([first], blocks)
    if first.startswith(b"\x1f\x8b"):
        return _gunzip(whole)
    if first.startswith(b"\x28\xb5\x2f\xfd"):
        return _unzstd(whole)
    return whole


def _gunzip(blocks: Iterator[bytes]) -> Iterator[bytes]:
    inflate = zlib.decompressobj(wbits=31)
    try:
        for block in blocks:
            while block:
                if inflate.eof:  # several members one after the other; zeros between them are padding
                    block = block.lstrip(b"\0")
                    if not block:
                        break
                    inflate = zlib.decompressobj(wbits=31)
                yield inflate.decompress(block, BLOCK)
                block = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
    except zlib.error as error:
        raise Fault("damaged", f"broken gzip: {error}", "whole gzip data") from None
    if not inflate.eof:
        raise Fault("damaged", "the gzip data ends before its end mark", "whole gzip data")


def _unzstd(blocks: Iterator[bytes]) -> Iterator[bytes]:
    # A zstd block of 4 bytes can stand for 128 KiB: small bites keep what comes out of one step small.
    bite = 256
    frame = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
    try:
        for block in blocks:
            for start in range(0, len(block), bite):
                piece = block[start : start + bite]
                while piece:
                    if frame.eof:
                        frame = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
                    yield frame.decompress(piece)
                    piece = frame.unused_data if frame.eof else b""
    except zstandard.ZstdError as error:
        raise Fault("damaged", f"broken zstd: {error}", "whole zstd data") from None
    if not frame.eof:
        raise Fault("damaged", "the zstd data ends before its end mark", "whole zstd data")


def _as_utf8(blocks: Iterator[bytes]) -> Iterator[bytes]:
    blocks = (block for block in blocks if block)
    first = b""
    for block in blocks:
        first += block
        if len(first) >= 4:
            break
    name = _utf16(first)
    if not name:
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(name)("replace")
    for block in chain([first], blocks):
        yield decoder.decode(block).encode()
    yield decoder.decode(b"", final=True).encode()


def _utf16(start: bytes) -> str | None:
    """The codec of a text that begins so, where it is UTF-16. Without a BOM the zero half of its first character tells: JSON and CSV begin in ASCII."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(start) >= 2 and (start[0] == 0) != (start[1] == 0):
        return "utf-16-be" if start[0] == 0 else "utf-16-le"
    return None
