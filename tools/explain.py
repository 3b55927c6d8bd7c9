"""The life of one chat: where it came from, what filter made of it, which split it is in, or why it is in none.

    python -m tools.explain sherlock-holmes-gold-0f3a     # the beginning of an id, if no other chat's begins so
    python -m tools.explain data/raw/export.jsonl:12      # a line of a source; one that curate rejected has no id

Reads what the stages wrote, line by line, and writes nothing. Status 1 where nobody knows the chat.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stages.common.errors import UserError, run

CURATED, CURATED_REJECTS = "data/curated/chats.jsonl", "data/curated/rejects.jsonl"
SYNTHETIC, SYNTHETIC_REJECTS, ANSWERS = "data/synthetic/chats.jsonl", "data/synthetic/rejects.jsonl", "data/synthetic/answers.jsonl"
KEPT, DROPPED = "data/filtered/chats.jsonl", "data/filtered/rejects.jsonl"
SPLITS = {f"data/splits/{name}.jsonl": name for name in ("train", "validation", "test")}
LEFT_OUT = "data/splits/rejects.jsonl"
FILES = (CURATED, SYNTHETIC, KEPT, DROPPED, *SPLITS, LEFT_OUT)
STAGE = {CURATED: "curate", SYNTHETIC: "synthesize", KEPT: "filter", DROPPED: "filter", **dict.fromkeys(SPLITS, "split"), LEFT_OUT: "split"}

ID = re.compile(rb'"id": ?"([^"\\]{1,200})"')
PLACE = re.compile(r"(.+):([1-9][0-9]{0,17})")
SHOWN = 5  # ids of a list
BRIEF = 200  # characters of what was found or expected


@dataclass(frozen=True)
class Line:
    """A line of a stage's file."""

    file: str
    number: int
    record: Mapping

    @property
    def chat(self) -> Mapping:
        """The chat itself, also of a reject."""
        return self.record.get("chat") or self.record

    @property
    def source(self) -> Mapping:
        return self.chat.get("source") or {}


def lines(files: Iterable[str], needles: Sequence[str]) -> Iterator[Line]:
    """The lines that hold one of the needles anywhere; a file that is not there has none. Raises UserError where such a line is no JSON object."""
    wanted = [json.dumps(needle, ensure_ascii=False)[1:-1].encode(errors="replace") for needle in needles]
    for path in files:
        try:
            with open(path, "rb") as file:
                for number, line in enumerate(file, start=1):
                    for needle in wanted:
                        if needle in line:
                            yield Line(path, number, _record(line, f"{path}:{number}"))
                            break
        except FileNotFoundError:
            continue


def _record(line: bytes, where: str) -> dict:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not JSON: {str(error)[:BRIEF]}") from None
    if not isinstance(record, dict):
        raise UserError(f"{where}: not a record")
    return record


def missing(files: Iterable[str] = FILES) -> list[str]:
    """Those that are not there."""
    return [path for path in files if not os.path.exists(path)]


def resolved(beginning: str) -> str:
    """The one id that begins so. Raises UserError where none does, with the nearest, or where several do."""
    found: dict[str, None] = {}
    for line in lines(FILES, [beginning]):
        ids = (line.chat.get("id"), line.source.get("cut_from"), *line.source.get("parents", ()))
        found |= dict.fromkeys(name for name in ids if isinstance(name, str) and name.startswith(beginning))
        if beginning in found:
            return beginning
        if len(found) > SHOWN:
            break
    if len(found) == 1:
        return next(iter(found))
    if found:
        more = " and more" if len(found) > SHOWN else ""
        raise UserError(f"{shown(beginning)} begins the ids of several chats: {listed(list(found)[:SHOWN])}{more}")
    absent = missing()
    if len(absent) == len(FILES):
        raise UserError("no stage has written any chat here yet; run dvc repro, or dvc pull")
    hints = [f"{words}: {', '.join(map(shown, names))}" for words, names in (("the nearest ids", nearest(beginning)), ("not there", absent)) if names]
    raise UserError("; ".join([f"no chat of this pipeline has an id that begins with {shown(beginning)}", *hints]))


def nearest(name: str, count: int = 3) -> list[str]:
    """The ids with the most characters in common with `name` at the beginning and the end."""
    known: set[str] = set()
    for path in FILES:
        if os.path.exists(path):
            with open(path, "rb") as file:
                known.update(match[1].decode(errors="replace") for line in file if (match := ID.search(line)))

    def alike(other: str) -> tuple[int, str]:
        begin = len(os.path.commonprefix([name, other]))
        end = len(os.path.commonprefix([name[begin:][::-1], other[begin:][::-1]]))
        return begin + end, other

    return [name for (_, name) in heapq.nlargest(count, map(alike, known))]


def life(name: str) -> list[str]:
    """What became of the chat of this id, as lines of text."""
    family, found = [name], list(lines(FILES, [name]))
    for line in found:  # a cut chat has a new id: both tell of one chat
        old = line.source.get("cut_from")
        family += [other for other in (old if line.chat.get("id") == name else None, line.chat.get("id") if old == name else None) if other]
    family = list(dict.fromkeys(family))
    if len(family) > 1:
        found = list(lines(FILES, family))
    own = {path: [line for line in found if line.file == path and line.chat.get("id") in family] for path in FILES}
    return [shown(name), *_origin(own, found, family), *_filtered(own, found, family), *_split(own)]


def _origin(own: Mapping[str, Sequence[Line]], found: Sequence[Line], family: Sequence[str]) -> list[str]:
    any_line = next((line for members in own.values() for line in members), None)
    told = []
    if line := next(iter(own[CURATED]), None):
        told.append(f"curate: from {shown(line.source.get('file', '?'))}:{line.source.get('line', '?')} ({kind(line)}), now {line.file}:{line.number}")
        if marks := line.chat.get("marks"):
            told.append(f"  marked: {listed(marks)}")
    elif line := next(iter(own[SYNTHETIC]), None):
        told += _written(line)
    elif any_line is None:
        return ["no stage's file holds it any more; it is named as another's parent or origin"]
    elif any_line.source.get("kind") == "replay":
        told.append(f"split: a plain chat, drawn from {shown(any_line.source.get('file', '?'))}:{any_line.source.get('line', '?')} for split.replay_share")
    else:
        stage, path = ("synthesize", SYNTHETIC) if any_line.source.get("kind") == "synthetic" else ("curate", CURATED)
        told.append(
            f"{stage}: {path} {'is not there' if missing([path]) else 'does not hold it: later stages ran on another version of it'}; run dvc repro {stage}"
        )
    if children := [line.chat["id"] for line in found if line.file == SYNTHETIC and set(family) & set(line.source.get("parents", ()))]:
        told.append(f"synthesize: shown to the teacher for {len(children)} chats that it wrote: {listed(children)}")
    return told


def _written(line: Line) -> list[str]:
    source = line.source
    told = [f"synthesize: written by {shown(source.get('teacher', '?'))} ({kind(line)}), now {line.file}:{line.number}"]
    key = source.get("request", "")
    rows = [row.record for row in lines([ANSWERS], [key])] if key else []
    number = next((row.get("request") for row in rows if row.get("key") == key), None)
    told.append(f"  request {'?' if number is None else number}, key {shown(key)}" + (f"; {ANSWERS} is not there" if missing([ANSWERS]) else ""))
    told.append(f"  scenario: {shown(source.get('scenario', '?'))}; visitor: {shown(line.chat.get('visitor', '?'))}")
    told.append(f"  parents, the chats that the teacher was shown: {listed(source.get('parents', ())) or 'none'}")
    if number is not None:
        for reject in lines([SYNTHETIC_REJECTS], [f"{number}"]):
            if reject.record.get("request") == number:
                told.append(f"  attempt {reject.record.get('attempt')} was rejected by {reason(reject.record)}")
    if critique := line.chat.get("critique"):
        told.append("  critic: " + ", ".join(f"{shown(aspect)} {one.get('score')}" for aspect, one in critique.items()))
    return told


def _filtered(own: Mapping[str, Sequence[Line]], found: Sequence[Line], family: Sequence[str]) -> list[str]:
    told = []
    if any(line.source.get("kind") == "replay" for members in own.values() for line in members):
        return told  # it comes in behind filter
    for line in own[KEPT]:
        if old := line.source.get("cut_from"):
            told.append(f"filter: kept, cut to {_exchanges(line)} to fit the model: {shown(old)} became {shown(line.chat['id'])}, {line.file}:{line.number}")
        else:
            told.append(f"filter: kept, {line.file}:{line.number}")
    for line in own[DROPPED]:
        told.append(f"filter: dropped by {reason(line.record)} ({line.file}:{line.number})")
        if str(line.record.get("rule", "")).startswith("duplicate."):
            told.append(f"  kept in its stead: {shown(line.record.get('found', '?'))}")
    if stead := [line.record["id"] for line in found if line.file == DROPPED and line.record.get("found") in family]:
        told.append(f"  it stands for {len(stead)} dropped as its duplicates: {listed(stead)}")
    return told or [_absent("filter", [KEPT, DROPPED])]


def _split(own: Mapping[str, Sequence[Line]]) -> list[str]:
    told = [f"split: {split}, {line.file}:{line.number}" for path, split in SPLITS.items() for line in own[path]]
    told += [f"split: rejected by {reason(line.record)} ({line.file}:{line.number})" for line in own[LEFT_OUT]]
    if told or own[DROPPED]:
        return told
    return [_absent("split", [*SPLITS, LEFT_OUT])]


def _absent(stage: str, files: Sequence[str]) -> str:
    if absent := missing(files):
        return f"{stage}: has not run, {', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not there; run dvc repro {stage}"
    return f"{stage}: its files do not hold it, neither kept nor rejected; they are older than the chat, or newer: run dvc repro {stage}"


def _exchanges(line: Line) -> str:
    count = sum(turn.get("from") == "gpt" for turn in line.chat.get("conversations", ()))
    return f"{count} exchange{'' if count == 1 else 's'}"


def of_place(file: str, number: int) -> list[str]:
    """What became of a line of a source. Raises UserError where curate has neither a chat nor a reject of it."""
    path = os.path.normpath(file)
    told = []
    for line in lines([CURATED_REJECTS], [path]):
        if line.record.get("line") == number and os.path.normpath(str(line.record.get("file"))) == path:
            told += [f"{shown(file)}:{number}", f"curate: rejected by {reason(line.record)} ({line.file}:{line.number})"]
    ids = []
    for line in lines([CURATED, *SPLITS, LEFT_OUT], [path]):  # split's files hold plain chats, which curate never saw
        if line.source.get("line") == number and os.path.normpath(str(line.source.get("file"))) == path:
            ids.append(line.source.get("cut_from", line.chat["id"]))
    for name in dict.fromkeys(ids):
        told += ["", *life(name)] if told else life(name)
    if told:
        return told
    absent = missing([CURATED, CURATED_REJECTS])
    if absent:
        raise UserError(f"curate has not run: {', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not there; run dvc repro curate")
    raise UserError(f"curate has neither a chat nor a reject of {shown(file)}:{number}; it names files as data/raw/NAME, and lines from 1")


def kind(line: Line) -> str:
    """What a chat's source says of it."""
    source = line.source
    parts = [source.get("kind", "?"), source.get("license", "?"), *(["with consent"] if source.get("consent") else []), _exchanges(line)]
    return ", ".join(map(shown, parts))


def reason(reject: Mapping) -> str:
    """Rule, figure and threshold in words."""
    return f"{shown(reject.get('rule', '?'))}: found {shown(reject.get('found', '?'))}, expected {shown(reject.get('expected', '?'))}"


def listed(names: Iterable[object]) -> str:
    """The first of them, and how many more."""
    each = [shown(name) for name in names]
    return ", ".join(each[:SHOWN]) + (f" and {len(each) - SHOWN} more" if len(each) > SHOWN else "")


def shown(value: object) -> str:
    """One line that does nothing to a terminal."""
    told = " ".join(str(value)[: 4 * BRIEF].split())
    told = told if len(told) <= BRIEF else told[: BRIEF - 1] + "…"
    return "".join(letter if letter.isprintable() else "?" for letter in told)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.explain", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("chat", metavar="CHAT_ID|FILE:LINE", help="a chat's id or a beginning of it that is no other's, or a line of a source")
    chat = parser.parse_args().chat
    place = PLACE.fullmatch(chat)
    print("\n".join(of_place(place[1], int(place[2])) if place else life(resolved(chat))))


if __name__ == "__main__":
    run(main)
