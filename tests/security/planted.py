"""Keys that a run has in its environment, and the search for them in all that it wrote: as they are, and as programs write them elsewhere."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from secrets import token_urlsafe
from urllib.parse import quote

LARGE = 32 << 20  # bytes of a file, of weights mostly, in which a key is looked for as it is and in no other form
# With the characters that JSON, URLs and base64 write in other ways.
KEY = "sk-planted/9ever+wr1tten=4nywhere"
# Drawn, and so in no file of the project: the end-to-end run has these tests in its clone.
OTHERS = {name: f"planted-{token_urlsafe(24)}" for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY")}


def forms(key: str) -> dict[str, bytes]:
    """How a key can stand in a file, by name."""
    found = {
        "as it is": key,
        "in JSON": key.replace("/", r"\/"),
        "in a URL": quote(key, safe=""),
        "in hex": key.encode().hex(),
        "backwards": key[::-1],
    }
    for before in range(3):  # base64 of a text with the key in it depends on where the key begins
        found[f"in base64, {before}"] = base64.b64encode(b"\0" * before + key.encode())[4 if before else 0 : -4].decode()
    return {name: form.encode() for name, form in found.items()}


def contents(path: Path) -> Iterator[bytes]:
    """A file's bytes, and what gzip or zlib (git's objects) packed into them."""
    content = path.read_bytes()
    yield content
    for unpack in (gzip.decompress, zlib.decompress):
        try:
            yield unpack(content)
        except (OSError, EOFError, zlib.error):
            continue


def places(*folders: Path, since: float = 0.0) -> list[Path]:
    """All files under the folders, hidden ones too, that were written after a time."""
    return [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_mtime >= since]


def found(keys: list[str], *folders: Path, said: str = "", since: float = 0.0) -> list[str]:
    """Where a key stands, in what form: in a file or a file's name under the folders, or in what was said."""
    sought = [(name, form) for key in keys for name, form in forms(key).items()]
    told: Iterable = ((str(path), content) for path in places(*folders, since=since) for content in chain([str(path).encode()], contents(path)))
    told = chain(told, [("said", said.encode())])
    return [f"{place}: {name}" for place, content in told for name, form in sought if (len(content) < LARGE or name == "as it is") and form in content]


def echoes(header: str) -> dict[str, str]:
    """Every way in which an endpoint can repeat the Authorization header that it was sent."""
    key = header.removeprefix("Bearer ")
    return {
        "the header": header,
        "the key": key,
        "in JSON, as PHP writes it": json.dumps({"authorization": header}).replace("/", r"\/"),
        "in a URL": f"https://elsewhere.example/?key={quote(key, safe='')}",
        "in base64": base64.b64encode(f"user:{key}".encode()).decode(),
        "in base64, further on": base64.b64encode(header.encode()).decode(),
    }
