"""Packed and encoded in every way, a file gives the same text; broken, it gives what came before and one fault; and it never fills the memory."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from stages.curate.faults import Fault
from stages.curate.unpacking import BLOCK, unpacked

TEXT = '{"a": "Baker Street, caf\u00e9, \U0001f50d"}\n' * 50


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


PACKED = {"plain": bytes, "gzip": gzip.compress, "zstd": zstd}
ENCODED = {
    "utf-8": lambda text: text.encode(),
    "a BOM": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16 big": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "utf-16 without BOM": lambda text: text.encode("utf-16-le"),
    "utf-16 big without BOM": lambda text: text.encode("utf-16-be"),
}


def text_of(path: Path, content: bytes) -> bytes:
    path.write_bytes(content)
    return b"".join(unpacked(path))


@pytest.mark.parametrize("encode", ENCODED.values(), ids=ENCODED)
@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
def test_the_same_text_comes_out_however_it_was_packed_and_encoded(tmp_path, pack, encode):
    assert text_of(tmp_path / "any.name", pack(encode(TEXT))) == TEXT.encode()


@pytest.mark.parametrize("pack", [gzip.compress, zstd], ids=["gzip", "zstd"])
def test_several_members_one_after_the_other_are_one_text(tmp_path, pack):
    assert text_of(tmp_path / "two", pack(b"one\n") + pack(b"two\n") + (b"\0" * 100 if pack is gzip.compress else b"")) == b"one\ntwo\n"


@pytest.mark.parametrize("pack", [gzip.compress, zstd], ids=["gzip", "zstd"])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_packed_data_that_is_cut_off_gives_what_is_there_and_then_one_fault(tmp_path, pack, share):
    whole = b"".join(b"%d\n" % (n * 7919 % 100003) for n in range(100_000))
    packed = pack(whole)
    (tmp_path / "cut").write_bytes(packed[: int(len(packed) * share)])
    blocks = []
    with pytest.raises(Fault, match="^damaged: .*ends before its end mark"):
        for block in unpacked(tmp_path / "cut"):
            blocks.append(block)
    assert whole.startswith(b"".join(blocks))
    assert share < 0.9 or len(b"".join(blocks)) > len(whole) / 2


@pytest.mark.parametrize("pack", [gzip.compress, zstd], ids=["gzip", "zstd"])
def test_packed_data_with_a_broken_byte_is_a_fault(tmp_path, pack):
    packed = bytearray(pack(b"".join(b"%d\n" % (n * 7919 % 100003) for n in range(100_000))))
    packed[len(packed) // 2] ^= 0xFF
    packed[len(packed) // 2 + 1] ^= 0xFF
    with pytest.raises(Fault, match="^damaged: "):
        text_of(tmp_path / "broken", bytes(packed))


@pytest.mark.parametrize("pack", [gzip.compress, zstd], ids=["gzip", "zstd"])
def test_a_bomb_comes_out_in_small_blocks(tmp_path, pack):
    (tmp_path / "bomb").write_bytes(pack(b"\x20" * (100 << 20)))
    tracemalloc.start()
    try:
        largest = total = 0
        for block in unpacked(tmp_path / "bomb"):
            largest, total = max(largest, len(block)), total + len(block)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == 100 << 20
    assert largest <= 32 * BLOCK and peak < 64 << 20


def test_bytes_that_are_no_utf8_stay_for_the_reader_of_lines_to_judge(tmp_path):
    assert text_of(tmp_path / "latin", b"caf\xe9\n{}\n") == b"caf\xe9\n{}\n"


@given(content=st.binary(max_size=400))
def test_whatever_the_bytes_there_is_text_or_a_fault(tmp_path_factory, content):
    try:
        text_of(tmp_path_factory.getbasetemp() / "any", content)
    except Fault as fault:
        assert fault.rule == "damaged"


@given(content=st.binary(max_size=400), magic=st.sampled_from([b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"]))
def test_whatever_follows_a_magic_number_there_is_text_or_a_fault(tmp_path_factory, content, magic):
    try:
        text_of(tmp_path_factory.getbasetemp() / "any", magic + content)
    except Fault as fault:
        assert fault.rule == "damaged"
