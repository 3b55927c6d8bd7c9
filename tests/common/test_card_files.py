"""Cards are read from JSON, PNG and CHARX; whatever the bytes, there is a card or one sentence, in bounded memory."""

from __future__ import annotations

import base64
import json
import random
import stat
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.common.card_files import LEVELS, LIMIT, CardFile, read
from stages.common.errors import UserError
from tests.cards import SIGNATURE, charx, chunk, encoded, in_charx, png, text, v1, v2, v3, write

MEMORY = 8 * LIMIT  # bytes; a card of LIMIT bytes is held as text chunk, without line breaks, as JSON, as text and as values


@contextmanager
def little_memory(bound: int = MEMORY) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < bound
    finally:
        tracemalloc.stop()


def refusal(path: Path, content: bytes) -> str:
    write(path, content)
    with little_memory(), pytest.raises(UserError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message and len(message) < 600
    return message.removeprefix(str(path))


def compressed(kind: str, card: object) -> bytes:
    """A zTXt chunk, or an iTXt chunk with a language and a translated keyword."""
    content = zlib.compress(encoded(card))
    return chunk(b"zTXt", b"chara\0\0" + content) if kind == "zTXt" else chunk(b"iTXt", b"chara\0\1\0en\0Figur\0" + content)


def bomb(mebibytes: int = 256) -> bytes:
    """So much of nothing, deflated to a thousandth."""
    deflater = zlib.compressobj()
    return b"".join([deflater.compress(bytes(1 << 20)) for _ in range(mebibytes)]) + deflater.flush()


@pytest.mark.parametrize("suffix", ["json", "png", "charx", "txt"])
@pytest.mark.parametrize(
    "content, found",
    [
        (json.dumps(v1()).encode(), CardFile("JSON", v1())),
        (png(text("chara", encoded(v2()))), CardFile("PNG", v2())),
        (in_charx(v3()), CardFile("CHARX", v3())),
    ],
    ids=["JSON", "PNG", "CHARX"],
)
def test_the_bytes_say_what_a_file_is_and_its_name_does_not(tmp_path: Path, content: bytes, found: CardFile, suffix: str) -> None:
    assert read(write(tmp_path / f"irene.{suffix}", content)) == found


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_cards_in_a_png_v3s_chunk_wins(tmp_path: Path, order: int) -> None:
    both = [text("chara", encoded(v2(name="Old"))), text("ccv3", encoded(v3(name="New")))][::order]
    assert read(write(tmp_path / "a.png", png(text("Comment", b"chara"), *both))).card["data"]["name"] == "New"


@pytest.mark.parametrize(
    "inside",
    [
        text("Chara", encoded(v2())),
        text("chara", base64.encodebytes(json.dumps(v2()).encode())),
        compressed("zTXt", v2()),
        compressed("iTXt", v2()),
        chunk(b"iTXt", b"chara\0\0\0\0\0" + encoded(v2())),
    ],
    ids=["capital letter", "line breaks", "zTXt", "iTXt", "iTXt not compressed"],
)
def test_the_ways_in_which_programs_write_a_text_chunk_are_read(tmp_path: Path, inside: bytes) -> None:
    assert read(write(tmp_path / "a.png", png(inside))).card == v2()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_other_members_of_an_archive_do_not_matter(tmp_path: Path, method: int) -> None:
    content = charx(("assets/icon/image/main.png", b"\x89"), ("card.json", json.dumps(v3()).encode()), ("assets/card.json", b"{}"), method=method)
    assert read(write(tmp_path / "a.charx", content)).card == v3()


def test_odd_letters_come_through_every_container(tmp_path: Path) -> None:
    card = v3(name="Ir\u00e8ne \U0001f3bb \u200f\u0000\u2028")
    for content in (json.dumps(card, ensure_ascii=False).encode(), png(text("ccv3", encoded(card))), in_charx(card)):
        assert read(write(tmp_path / "a", content)).card == card


GOOD = png(text("chara", encoded(v2())))
OTHER = text("Comment", b"a picture")


@pytest.mark.parametrize(
    "content, said",
    [
        (png(), ": a PNG without a character card: it has no text chunk chara or ccv3"),
        (png(text("charas", encoded(v2()))), ": a PNG without a character card"),
        (GOOD[:-1], ": a broken PNG: the chunk 'IEND' at byte"),
        (GOOD[:-12], ": a broken PNG: it ends before its IEND chunk"),
        (GOOD[:45], ": a broken PNG: the chunk 'IDAT' at byte 33 says that it has"),
        (SIGNATURE, ": a broken PNG: it ends before its IEND chunk"),
        (png(chunk(b"tEXt", b"chara\0" + encoded(v2()), crc=7)), ": a broken PNG: the chunk 'tEXt' at byte 55 does not have the CRC that it says"),
        (png(chunk(b"tEXt", b"Comment\0a", crc=7)), ": a broken PNG: the chunk 'tEXt' at byte 55 does not have the CRC that it says"),
        (SIGNATURE + struct.pack(">I4s", 2**32 - 1, b"tEXt") + b"chara\0", ": a broken PNG: the chunk 'tEXt' at byte 8 says that it has 4294967295 bytes"),
        (png(text("chara", b"not base64!")), ": the text chunk chara is not base64: "),
        (png(text("chara", encoded(v2())[:-3])), ": the text chunk chara is not base64: "),
        (png(text("chara", base64.b64encode(b'{"name": "Ir\xe8ne"}'))), ":chara:1: not UTF-8: byte 0xe8"),
        (png(text("ccv3", base64.b64encode(b'{"name":\n oops}'))), ":ccv3:2: not JSON: Expecting value at column 2"),
        (png(text("ccv3", b""), text("chara", encoded(v2()))), ":ccv3:1: not JSON: "),
        (png(text("chara", encoded(v2())), text("Chara", encoded(v2()))), ": two text chunks chara; expected one card"),
        (png(chunk(b"zTXt", b"chara\0\0" + zlib.compress(encoded(v2()))[:-9])), ": a text chunk does not inflate: it is cut off"),
        (png(chunk(b"zTXt", b"chara\0\0none")), ": a text chunk does not inflate: "),
        (png(chunk(b"tEXt", b"chara")), ":chara:1: not JSON: "),
    ],
)
def test_a_png_that_is_broken_or_holds_no_card_is_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    assert refusal(tmp_path / "a.png", content).startswith(said)


def link(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


def encrypted() -> bytes:
    """The flag that a member is encrypted, in its own header and in the list of members."""
    content = bytearray(in_charx(v3()))
    for header, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(header) + flags] |= 1
    return bytes(content)


def saying(size: int) -> bytes:
    """An archive that says so of card.json's size in the list of members."""
    content = bytearray(in_charx(v3()))
    struct.pack_into("<I", content, content.index(b"PK\1\2") + 24, size)
    return bytes(content)


def not_utf8() -> bytes:
    """A member whose name is said to be UTF-8, and is not."""
    content = bytearray(in_charx(v3()))
    listed = content.index(b"PK\1\2")
    content[listed + 9] |= 8
    content[listed + 46] = 0xFF
    return bytes(content)


def beyond_the_end(place: int) -> bytes:
    """An archive that says, as only large ones do, that a member lies at this byte."""
    content = bytearray(in_charx(v3()))
    listed, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    extra = struct.pack("<HHQ", 1, 8, place)
    struct.pack_into("<H", content, listed + 30, len(extra))
    struct.pack_into("<I", content, listed + 42, 2**32 - 1)
    struct.pack_into("<I", content, end + 12, end - listed + len(extra))
    return bytes(content[:end] + extra + content[end:])


CARD = ("card.json", json.dumps(v3()).encode())


@pytest.mark.parametrize(
    "content, said",
    [
        (charx(), ": the archive has 0 members card.json; expected one"),
        (charx(("a/card.json", CARD[1])), ": the archive has 0 members card.json; expected one"),
        (charx(CARD, ("../a", b"")), ": the archive's member '../a' is a link or lies outside the archive"),
        (charx(CARD, ("a/../../b", b"")), ": the archive's member 'a/../../b' is a link or lies outside the archive"),
        (charx(CARD, ("a\\..\\b", b"")), ": the archive's member 'a\\\\..\\\\b' is a link or lies outside the archive"),
        (charx(CARD, ("/etc/passwd", b"")), ": the archive's member '/etc/passwd' is a link or lies outside the archive"),
        (charx(CARD, ("C:\\a", b"")), ": the archive's member 'C:\\\\a' is a link or lies outside the archive"),
        (charx((link("card.json"), b"/etc/passwd")), ": the archive's member 'card.json' is a link or lies outside the archive"),
        (charx(CARD, (link("a.png"), b"/etc/passwd")), ": the archive's member 'a.png' is a link or lies outside the archive"),
        (encrypted(), ": card.json is encrypted"),
        (in_charx(v3())[:-1], ": a broken archive: "),
        (in_charx(v3())[:60], ": a broken archive: "),
        (in_charx(v3()).replace(b"card.json", b"../x.json"), ": the archive's member '../x.json' is a link or lies outside the archive"),
        (charx(CARD, method=zipfile.ZIP_LZMA), ": card.json is compressed by method 14; expected deflate or none"),
        (charx(CARD, method=zipfile.ZIP_BZIP2), ": card.json is compressed by method 12; expected deflate or none"),
        (charx(("card.json", b"{oops")), ":card.json:1: not JSON: "),
        (charx(("card.json", b"{\n\xff")), ":card.json:2: not UTF-8: byte 0xff"),
        (saying(2**31), f": card.json has {2**31} bytes; at most {LIMIT} are read"),
        (saying(7), ": a broken archive: Bad CRC-32"),
        (not_utf8(), ": a broken archive: 'utf-8' codec can't decode"),
        (beyond_the_end(2**40), ": a broken archive: Truncated file header"),
        (beyond_the_end(2**63 - 1), ": a broken archive: "),
        (beyond_the_end(2**64 - 1), ": a broken archive: "),
    ],
)
def test_an_archive_that_is_broken_or_unsafe_is_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    assert refusal(tmp_path / "a.charx", content).startswith(said)
    assert [file.name for file in tmp_path.rglob("*")] == ["a.charx"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_two_cards_is_one_sentence(tmp_path: Path) -> None:
    assert refusal(tmp_path / "a.charx", charx(CARD, CARD)) == ": the archive has 2 members card.json; expected one"


@pytest.mark.parametrize("inside", ["zTXt", "iTXt"])
def test_a_text_chunk_that_inflates_without_end_is_refused_in_little_memory(tmp_path: Path, inside: str) -> None:
    start = b"chara\0\0" if inside == "zTXt" else b"chara\0\1\0\0\0"
    assert "inflates to more than" in refusal(tmp_path / "a.png", png(chunk(inside.encode(), start + bomb())))


def test_a_member_that_inflates_without_end_is_refused_in_little_memory(tmp_path: Path) -> None:
    content = charx(("card.json", bytes(64 << 20)))
    assert refusal(tmp_path / "a.charx", content).startswith(f": card.json has {64 << 20} bytes")
    lying = bytearray(content)
    struct.pack_into("<I", lying, lying.index(b"PK\1\2") + 24, 1000)
    assert refusal(tmp_path / "a.charx", bytes(lying)).startswith(": a broken archive: Bad CRC-32")


@pytest.mark.parametrize("size, said", [(2**32 - 2, "a broken archive: "), (8 << 20, "its list of members has more than 1 MiB")])
def test_a_list_of_members_that_says_it_is_huge_is_refused_in_little_memory(tmp_path: Path, size: int, said: str) -> None:
    content = bytearray(bytes(12 << 20) + in_charx(v3()))
    content[:4] = b"PK\3\4"
    struct.pack_into("<I", content, content.rindex(b"PK\5\6") + 12, size)
    path = write(tmp_path / "a.charx", bytes(content))
    with little_memory(4 << 20), pytest.raises(UserError, match=said):
        read(path)


def test_a_text_chunk_too_long_for_a_card_is_never_held(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", png(text("chara", b"A" * (2 * LIMIT))))
    with little_memory(1 << 20), pytest.raises(UserError, match=r"the text chunk chara has \d+ bytes; a card of 16 MiB needs no more than \d+"):
        read(path)


def test_what_else_is_in_a_picture_may_be_large_and_is_never_held(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", png(text("Comment", bytes(2 * LIMIT)), chunk(b"IDAT", bytes(LIMIT)), text("chara", encoded(v2()))))
    with little_memory(2 << 20):
        assert read(path).card == v2()


@pytest.mark.parametrize("container", ["JSON", "PNG", "CHARX"])
def test_a_card_may_have_so_many_bytes_and_no_more(tmp_path: Path, container: str) -> None:
    def held(size: int) -> Path:
        content = b'"' + b"x" * (size - 2) + b'"'
        if container == "JSON":
            return write(tmp_path / "a", content)
        return write(tmp_path / "a", png(text("ccv3", base64.b64encode(content))) if container == "PNG" else charx(("card.json", content)))

    longest = held(LIMIT)
    with little_memory():
        assert len(read(longest).card) == LIMIT - 2
    longer = held(LIMIT + 1)
    with little_memory(), pytest.raises(UserError, match="more than 16 MiB|at most 16777216 are read"):
        read(longer)


@pytest.mark.parametrize(
    "content, said",
    [
        ('{"a": 1, "b": {"c": 1, "c": 2}}', ": not JSON: the key 'c' stands twice in one object"),
        ('{"a": NaN}', ": not JSON: NaN is no finite number"),
        ('{"a": -Infinity}', ": not JSON: -Infinity is no finite number"),
        ('{"a": 1e999}', ": not JSON: 1e999 is no finite number"),
        ('{"a": ' + "9" * 301 + "}", ": not JSON: an integer of 301 digits; at most 300 are read"),
        ('{"a": ' + "9" * 5000 + "}", ": not JSON: an integer of 5000 digits; at most 300 are read"),
        ("[" * 101 + "]" * 101, f": not JSON: objects and lists in one another, more than {LEVELS} levels deep"),
        ('{"a":' * 900 + "1" + "}" * 900, f": not JSON: objects and lists in one another, more than {LEVELS} levels deep"),
        ("[" * 200_000, f": not JSON: objects and lists in one another, more than {LEVELS} levels deep"),
        ('{"a": "\n"}', ":1: not JSON: Invalid control character"),
        ("", ":1: not JSON: Expecting value at column 1"),
        ("\ufeff{}", ":1: not JSON: Unexpected UTF-8 BOM"),
        ("\x89PNG", ":1: not JSON: "),
    ],
)
def test_json_that_is_not_strict_or_made_to_break_a_parser_is_one_sentence(tmp_path: Path, content: str, said: str) -> None:
    assert refusal(tmp_path / "a.json", content.encode()).startswith(said)
    assert said.partition(":")[2] in refusal(tmp_path / "a.png", png(text("chara", base64.b64encode(content.encode()))))


def test_so_many_levels_are_read(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.json", b"[" * LEVELS + b"]" * LEVELS)).card


def test_a_file_that_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.png: no such file$"):
        read(tmp_path / "none.png")
    with pytest.raises(UserError, match=r": cannot be read: Is a directory$"):
        read(tmp_path)


SAMPLES = [
    json.dumps(v3()).encode(),
    png(OTHER, text("chara", encoded(v2())), text("ccv3", encoded(v3()))),
    png(compressed("zTXt", v2())),
    png(compressed("iTXt", v2())),
    in_charx(v3()),
    charx(CARD, ("assets/a.png", b"picture"), method=zipfile.ZIP_STORED),
]


def card_or_sentence(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with little_memory(32 << 20):
        try:
            assert read(path).container in ("JSON", "PNG", "CHARX")
        except UserError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(start=st.sampled_from([b"", SIGNATURE, b"PK\3\4", b"PK\5\6", b"{", SIGNATURE + chunk(b"IHDR", b"")]), rest=st.binary(max_size=300))
def test_whatever_the_bytes_there_is_a_card_or_a_sentence(tmp_path: Path, start: bytes, rest: bytes) -> None:
    card_or_sentence(tmp_path / "a", start + rest)


@settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    sample=st.sampled_from(SAMPLES),
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4),
    cut=st.floats(0, 1),
)
def test_whatever_is_changed_in_a_card_file_there_is_a_card_or_a_sentence(tmp_path: Path, sample: bytes, changes: list, cut: float) -> None:
    content = bytearray(sample)
    for place, change in changes:
        at = int(place * (len(content) - 1))
        content[at : at + len(change)] = change
    card_or_sentence(tmp_path / "a", bytes(content[: int(len(content) * cut)] if cut > 0.5 else content))


def test_every_byte_of_an_archives_headers_may_be_wrong(tmp_path: Path) -> None:
    """Random changes seldom meet the few bytes that say sizes, places and methods."""
    sample, draw = in_charx(v3()), random.Random(1895)
    listed = sample.index(b"PK\1\2")
    for at in [*range(60), *range(listed, len(sample))]:
        for value in (0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)):
            card_or_sentence(tmp_path / "a", sample[:at] + bytes([value]) + sample[at + 1 :])
