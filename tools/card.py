"""Character cards by hand: what is in one, and one format or spec from another.

    python -m tools.card check FILE...
    python -m tools.card convert IN OUT [--spec v2|v3] [--picture PICTURE.png]

`check` says one line a card: spec, container, name, lorebook, and which of its fields Dramatis uses; status 1 where one is bad.
`convert` writes a .json or a .png. Into a PNG, a V3 card goes as V3 (text chunk ccv3) and as V2 (chara), for front ends that know one of them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from stages.common import card_files, cards, characters
from stages.common.errors import UserError, printable, run
from tools import card_pictures


def described(path: str) -> str:
    """What `check` says of a card. Raises UserError where Dramatis cannot use it."""
    found = card_files.read(path)
    card = characters.usable(found.card, path)
    # The scenario is for cards without a prompt of their own; the teacher is always told description and personality.
    texts = ("name", "nickname", "system_prompt", "description", "personality", *(() if card["system_prompt"].strip() else ("scenario",)))
    entries = len((card.get("character_book") or {"entries": []})["entries"])
    used = [field for field in texts if card.get(field, "").strip()] + ["character_book"] * bool(entries)
    return f"{path}: {cards.version(found.card)} in {found.container}, {_shown(card['name'])}, lore entries: {entries}, used: {', '.join(used)}"


def check(paths: list[str]) -> None:
    """One line for each card; the bad ones' on stderr, and then status 1."""
    bad = 0
    for path in paths:
        try:
            print(printable(described(path)))
        except UserError as error:
            bad += 1
            print(printable(f"error: {error}"), file=sys.stderr)
    if bad:
        sys.exit(1)


def convert(source: Path, target: Path, spec: str | None, picture: Path | None) -> None:
    """Write the card of `source` to `target` as `spec`, by default its own (V2 for V1). Raises UserError, with nothing written."""
    if target.suffix not in (".json", ".png"):
        raise UserError(f"{target}: expected a name that ends in .json or .png")
    if picture and target.suffix == ".json":
        raise UserError(f"{target}: a JSON file holds no picture; leave out --picture, or write a .png")
    if over := next((path for path in (source, picture) if path and path.exists() and target.exists() and target.samefile(path)), None):
        raise UserError(f"{target}: is {over} itself; write to another file")
    found = card_files.read(source)
    own = cards.checked(found.card, str(source))
    to = spec or ("V3" if cards.version(own) == "V3" else "V2")
    card = cards.checked(cards.converted(own, to), f"{source} as {to}")
    if target.suffix == ".json":
        content, on = _json(card, target, indent=2) + b"\n", ""
    else:
        texts = {"chara": _json(cards.converted(card, "V2"), target)} | ({"ccv3": _json(card, target)} if to == "V3" else {})
        origin, under = card_pictures.find(source, found.container, own, picture)
        content, on = card_pictures.with_texts(under, texts, origin or source), f", on {f'the picture of {origin}' if origin else 'a plain picture'}"
    _write(target, content)
    print(printable(f"{target}: {to} in {target.suffix[1:].upper()}, {_shown(own['data']['name'])}{on}"))
    if (embedded := len(card_pictures.embedded(own))) and not (found.container == "PNG" and target.suffix == ".png" and not picture):
        print(printable(f"{embedded} of its assets lie in {source} and were left there"))


def _shown(name: str) -> str:
    """One line that does nothing to a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(name.split()))


def _json(card: dict, target: Path, indent: int | None = None) -> bytes:
    content = json.dumps(card, ensure_ascii=False, allow_nan=False, indent=indent).encode()
    card_files.parsed(content, f"{target}: would not be read again")  # too long now, or too deep
    return content


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(beside, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.card", description="Look at character cards, or make one format from another.")
    commands = parser.add_subparsers(required=True, dest="command")
    checking = commands.add_parser("check", help="one line a card; status 1 where one is bad")
    checking.add_argument("files", nargs="+", metavar="FILE")
    converting = commands.add_parser("convert", help="write a card as .json or .png")
    converting.add_argument("source", type=Path, metavar="IN")
    converting.add_argument("target", type=Path, metavar="OUT")
    converting.add_argument("--spec", type=str.upper, choices=["V2", "V3"], help="default: as it is, and V2 for V1")
    converting.add_argument("--picture", type=Path, metavar="PICTURE.png", help="default: the picture of IN, else a plain one")
    told = parser.parse_args()
    if told.command == "check":
        check(told.files)
    else:
        convert(told.source, told.target, told.spec, told.picture)


if __name__ == "__main__":
    run(main)
