"""Character cards made for tests, and the files that they lie in."""

from __future__ import annotations

import base64
import io
import json
import struct
import zipfile
import zlib
from pathlib import Path

from hypothesis import strategies as st

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
ENTRY = {"keys": ["violin"], "content": "He plays.", "enabled": True, "insertion_order": 1, "extensions": {}}


def v1(**fields: object) -> dict:
    """Irene Adler's card as V1 has it."""
    texts = {"description": "{{char}} sings.", "personality": "Bold.", "scenario": "Briony Lodge.", "first_mes": "Good evening.", "mes_example": ""}
    return {"name": "Irene Adler", **texts, **fields}


def v2(**fields: object) -> dict:
    """The same as V2."""
    empty = {**dict.fromkeys(("creator_notes", "post_history_instructions", "creator", "character_version"), ""), "alternate_greetings": [], "tags": []}
    return {"spec": "chara_card_v2", "spec_version": "2.0", "data": {**v1(), **empty, "system_prompt": "You are {{char}}.", "extensions": {}, **fields}}


def v3(**fields: object) -> dict:
    """The same as V3."""
    return {"spec": "chara_card_v3", "spec_version": "3.0", "data": {**v2()["data"], "group_only_greetings": [], **fields}}


def book(*entries: dict, **fields: object) -> dict:
    """A lorebook; each entry says what is not as in ENTRY."""
    return {"extensions": {}, **fields, "entries": [{**ENTRY, **entry} for entry in entries]}


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    """A chunk of a PNG, with its own CRC or another."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) if crc is None else crc)


def text(keyword: str, content: bytes) -> bytes:
    """A tEXt chunk."""
    return chunk(b"tEXt", keyword.encode() + b"\0" + content)


def encoded(card: object) -> bytes:
    """A card as text chunks hold it."""
    return base64.b64encode(json.dumps(card).encode())


def png(*inside: bytes) -> bytes:
    """A grey pixel, with further chunks before its end."""
    return SIGNATURE + chunk(b"IHDR", HEADER) + chunk(b"IDAT", zlib.compress(b"\0\x80")) + b"".join(inside) + chunk(b"IEND", b"")


def charx(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive with these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def in_charx(card: object) -> bytes:
    """A CHARX with this card alone."""
    return charx(("card.json", json.dumps(card).encode()))


def write(path: Path, content: bytes | object) -> Path:
    """A file of these bytes, or of a card's JSON."""
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
_anything = st.recursive(st.none() | st.booleans() | _numbers | _texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3))
_unknown = st.dictionaries(_texts.map(lambda name: f"x{name}"), _anything, max_size=3)
_extensions = st.dictionaries(_texts.map(lambda name: f"x/{name}"), _anything, max_size=3)


def _shape(needed: dict, optional: dict) -> st.SearchStrategy[dict]:
    return st.builds(lambda known, unknown: {**unknown, **known}, st.fixed_dictionaries(needed, optional=optional), _unknown)


def _entries(v3: bool) -> st.SearchStrategy[dict]:
    needed = {"keys": st.lists(_texts, max_size=2), "content": _texts, "enabled": st.booleans(), "insertion_order": _numbers, "extensions": _extensions}
    return _shape(needed, {"constant": st.booleans(), "position": _texts, **({"use_regex": st.booleans()} if v3 else {})})


def _cards(spec: str) -> st.SearchStrategy[dict]:
    texts = dict.fromkeys(("description", "personality", "scenario", "first_mes", "mes_example", "system_prompt"), _texts)
    needed = {"name": _texts.filter(str.strip), **texts, "extensions": _extensions}
    entries = st.lists(_entries(spec == "V3"), max_size=2)
    optional: dict = {
        "creator_notes": _texts,
        "tags": st.lists(_texts, max_size=2),
        "character_book": _shape({"entries": entries}, {"extensions": _extensions}),
    }
    if spec == "V3":
        assets = st.fixed_dictionaries(dict.fromkeys(("type", "uri", "name", "ext"), _texts))
        lists = st.lists(_texts, max_size=2)
        optional |= {"assets": st.lists(assets, max_size=2), "nickname": _texts, "source": lists, "group_only_greetings": lists}
        optional |= {"creator_notes_multilingual": st.dictionaries(_texts, _texts, max_size=2), "creation_date": _numbers, "modification_date": _numbers}
    data = _shape(needed, optional)
    wrapped = st.fixed_dictionaries({"spec": st.just(f"chara_card_{spec.lower()}"), "spec_version": st.just(f"{spec[1]}.0"), "data": data})
    return st.builds(lambda card, unknown: {**unknown, **card}, wrapped, _unknown)


V1_CARDS = _shape(dict.fromkeys(("description", "personality", "scenario", "first_mes", "mes_example"), _texts) | {"name": _texts.filter(str.strip)}, {})
V2_CARDS, V3_CARDS = _cards("V2"), _cards("V3")
