"""Where a talk is kept, so that the next `dvc repro` trains on it: one line of data/gold/CHARACTER.talks.jsonl, which curate takes for gold.

Nothing is written that curate would not take in, nor anything without consent. The hand-written file of the character is never touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.common import environments, forgetting
from stages.common.errors import UserError
from stages.common.files import new_files, to_json
from stages.curate import sources
from stages.curate.__main__ import by_hand
from stages.curate.admission import Door, Rules
from stages.curate.faults import Fault
from stages.curate.formats import told
from stages.curate.records import Record, parse
from tools.chat.records import Consent, gold
from tools.chat.talk import Talk

FOLDER = Path("data/gold")


@dataclass(frozen=True)
class Saved:
    """Where a talk lies now; `why_not` says in a sentence why the next run passes it over, where it does."""

    path: Path
    line: int
    why_not: str | None = None


def save(talk: Talk, consent: Consent, params: Mapping) -> Saved:
    """Add a talk to its character's talks; what was saved of the same talk before, when it was shorter, goes.

    `params` are those of curate. Raises UserError, and leaves the file as it was, where there is nothing to save or curate would reject it.
    """
    talk = talk.answered
    check(talk)
    path = FOLDER / f"{talk.character}.talks.jsonl"
    record = gold(talk, consent)
    _check_source(path, talk.character, params)
    _check_admission(path, talk, record, params)
    try:
        line = _add(path, record)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None
    left_out = [
        f"params.yaml: {name} leaves {one} out"
        for name, one in (("characters", talk.character), ("curate.use", "gold"))
        if params[name] and one not in params[name]
    ]
    return Saved(path, line, left_out[0] if left_out else None)


def license_of(params: Mapping) -> str:
    """The licence that params.yaml gives to gold; CC-BY-4.0 where it names no gold."""
    return next((entry["license"] for entry in params["curate.sources"] if entry["kind"] == "gold"), "CC-BY-4.0")


def _add(path: Path, record: Mapping) -> int:
    """Put the record behind the file's others and return its line."""
    with environments.locked(environments.state("locks") / "talks"):
        lines = [line for line in _lines(path) if not _begins(record["conversations"], line)]
        with new_files(path) as (file,):
            file.write(b"".join(line + b"\n" for line in [*lines, to_json(record)]))
    return len(lines) + 1


def check(talk: Talk) -> None:
    """Raise UserError where the talk is no example to learn from yet."""
    if not talk.exchanges:
        raise UserError("nothing was said yet: there is nothing to save")
    for number, one in enumerate(talk.exchanges, start=1):
        if not one.answers[one.taken].whole:
            raise UserError(
                f"answer {number} breaks off before its end, and so would what learns from it: take back what came after, then edit it or try again"
            )


def _check_source(path: Path, character: str, params: Mapping) -> None:
    """Raise UserError where curate.sources would not read the file as gold of this character."""
    for entry in params["curate.sources"]:
        if path.is_relative_to(entry["path"]) and entry["kind"] == "gold" and entry.get("character", character) == character:
            return
    raise UserError(
        f"params.yaml: curate.sources names no folder with {path}; expected {{path: {FOLDER}, kind: gold, license: {license_of(params)}}} among them"
    )


def _check_admission(path: Path, talk: Talk, record: Mapping, params: Mapping) -> None:
    """Raise UserError where curate would reject the record, by curate's own rules."""
    rules = Rules(params["curate.user"], params["curate.quotes"], params["curate.licenses_allowed"], frozenset(), forgetting.read())
    source = sources.Source(path, talk.character, "gold", record["license"], "en")
    try:
        # As curate will read it: from its bytes.
        ((_, one),) = told(by_hand(iter([Record(1, parse(_line(record)))])))
        if isinstance(one, Fault):
            raise one
        Door(talk.character, dict(talk.card), rules).admit(one, source, 1)
    except Fault as error:
        raise UserError(f"curate would leave this talk out: {error}") from None


def _line(record: Mapping) -> bytes:
    try:
        return to_json(record)
    except UnicodeEncodeError:
        raise UserError("a turn has half a surrogate pair, which no file can hold") from None


def _lines(path: Path) -> list[bytes]:
    """The lines of the file as they are, those of nothing but white space left out."""
    return [line for line in path.read_bytes().split(b"\n") if line.strip()] if path.exists() else []


def _begins(turns: Sequence[Mapping], line: bytes) -> bool:
    """Whether a line of the file holds these turns, or the first of them."""
    value = parse(line)
    earlier = value.get("conversations") if isinstance(value, dict) else None
    return isinstance(earlier, list) and bool(earlier) and list(turns[: len(earlier)]) == earlier
