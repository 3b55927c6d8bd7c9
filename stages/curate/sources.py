"""Which files curate reads, and what params.yaml says of each: whose chats they are, of which kind, under which licence."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.common.errors import UserError

# The folders that are deps of the stage in dvc.yaml: a file elsewhere could change without a new run.
ROOTS = ("data/gold", "data/raw")
# What lies beside the chats and is none: DVC's and git's own files, notes, consent and forget lists.
_NOT_CHATS = (".dvc", ".gitignore", ".md", ".txt")


@dataclass(frozen=True)
class Source:
    """One file of chats; `language` is a BCP 47 tag."""

    path: Path
    character: str
    kind: str
    license: str
    language: str


def used(listed: Sequence[Mapping], kinds: Collection[str] | None) -> Collection[str]:
    """The kinds of sources that take part: `kinds`, or all that are `listed` where it is None.

    Raises UserError for one that no entry has: that would be the run without it, under another name.
    """
    there = dict.fromkeys(entry["kind"] for entry in listed)
    if missing := [kind for kind in kinds or () if kind not in there]:
        raise UserError(f"params.yaml: curate.use names {', '.join(missing)}, and no entry of curate.sources is of that kind; found {', '.join(there)}")
    return there if kinds is None else kinds


def sources(listed: Iterable[Mapping], cards: Collection[str], chosen: Collection[str], kinds: Collection[str]) -> Iterator[Source]:
    """The files of `curate.sources` whose character is among the `chosen` and whose kind is among the `kinds`, in the order of the list, then of names.

    An entry has path, kind, license, and perhaps language (else English) and character (else each file's name up to its first dot). Raises UserError for a path outside ROOTS, one that is
    not there, a folder without a file of chats, a file named twice, and a character without a card.
    """
    seen: dict[Path, str] = {}
    for number, entry in enumerate(listed):
        where, path = f"params.yaml: curate.sources[{number}]", Path(entry["path"])
        if ".." in path.parts or not any(path.is_relative_to(root) for root in ROOTS):
            raise UserError(f"{where}: {path} lies outside {' and '.join(ROOTS)}, which are what the stage depends on")
        files = sorted(file for file in path.rglob("*") if _has_chats(file, path)) if path.is_dir() else [path]
        if not path.exists():
            raise UserError(f"{where}: {path}: no such file or folder")
        if not path.is_dir() and not path.is_file():
            raise UserError(f"{where}: {path}: neither a file nor a folder")
        if not files:
            raise UserError(f"{where}: {path}: no file of chats in this folder")
        for file in files:
            if not any(file.resolve().is_relative_to(Path(root).resolve()) for root in ROOTS):
                raise UserError(f"{where}: {ascii(str(file))} is a link out of {' and '.join(ROOTS)}, which are what the stage depends on")
            if not str(file).isprintable():
                raise UserError(f"{where}: {ascii(str(file))}: a file name with characters that cannot be written")
            if file in seen:
                raise UserError(f"{where}: {file} is listed before, in {seen[file]}; expected each file once")
            seen[file] = f"curate.sources[{number}]"
            character = entry.get("character") or file.name.partition(".")[0]
            if character not in cards:
                raise UserError(f"{file}: no character card for {character}; cards: {', '.join(cards)}; or name the character in {where}")
            if character in chosen and entry["kind"] in kinds:
                yield Source(file, character, entry["kind"], entry["license"], entry.get("language", "en"))


def _has_chats(file: Path, folder: Path) -> bool:
    return file.is_file() and not file.name.endswith(_NOT_CHATS) and not any(part.startswith(".") for part in file.relative_to(folder).parts)
