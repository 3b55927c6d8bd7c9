"""What the answer stage wrote, checked and put together: the same prompts and the same chats for every arm, in one fixed order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from stages.common.chats import spoken, words
from stages.common.errors import UserError
from stages.common.files import read_json, read_lines
from stages.common.schemas import fits
from stages.evaluate.marks import Mark, marks

ARMS = ("base", "prompted", "tuned")
UNTRAINED = ("base", "prompted")  # what tuned is compared with
SETS = ("evaluation", "redteam")  # of conversations that everybody is led into
WORLD = "world"  # the set of questions about a book, which a character of one's own need not have
PLAIN = ("base", "tuned")  # whom the plain questions were put to
SPLITS = ("validation", "test")

TOLD = ("chats", "loss", "eval_loss")  # of a training

MOST_NATS = 100  # of a token: a model that puts the same probability on each of 100,000 has 11.5

_ANSWER: dict[str, tuple[str, ...] | type] = {
    "arm": ARMS, "set": (*SETS, WORLD), "id": str, "kind": str, "character": str, "turn": int, "prompt": str, "answer": str, "finish": ("stop", "length"),
}  # fmt: skip
_TALK: dict[str, tuple[str, ...] | type] = {
    "arm": ARMS, "id": str, "kind": str, "character": str, "turn": int, "prompt": str, "written": (True, False), "answer": str, "finish": ("stop", "length"),
}  # fmt: skip
_SAMPLE: dict[str, tuple[str, ...] | type] = {**_ANSWER, "sample": int}
_PLAIN: dict[str, tuple[str, ...] | type] = {"arm": PLAIN, "id": str, "prompt": str, "answer": str, "finish": ("stop", "length")}
_LOSS: dict[str, tuple[str, ...] | type] = {"arm": ARMS, "split": SPLITS, "id": str, "character": str, "nll": float, "tokens": int}


@dataclass(frozen=True)
class Answer:
    """What one arm said to one prompt."""

    text: str
    words: int
    cut_off: bool  # it ran into answer.max_tokens
    marks: tuple[Mark, ...]

    @property
    def broke(self) -> bool:
        """Whether the answer broke character."""
        return bool(self.marks)


@dataclass(frozen=True)
class Exchange:
    """One turn of a conversation with one character: the prompt, and the answers of all arms, each after its own earlier ones."""

    set: str
    kind: str
    id: str
    character: str  # the card's file name
    name: str  # the name on the card
    turn: int  # from 1
    prompt: str
    answers: Mapping[str, Answer]

    @property
    def asked(self) -> tuple[str, str, str, int, str]:
        """What was put to whom."""
        return self.set, self.id, self.character, self.turn, self.prompt


Conversation = tuple[Exchange, ...]
"""All turns with one id and one character, in order. What is counted: the turns of one conversation are no independent trials."""


def broke(conversation: Conversation, arm: str) -> bool:
    """Whether the arm broke character in any turn."""
    return any(exchange.answers[arm].broke for exchange in conversation)


@dataclass(frozen=True)
class Losses:
    """One split's chats, in order of their ids: `nll[i, j]` nats of chat i under ARMS[j], summed over its `tokens[i]` assistant tokens."""

    ids: tuple[str, ...]
    characters: tuple[str, ...]
    nll: np.ndarray
    tokens: np.ndarray

    def of(self, character: str) -> Losses:
        """The chats of one character; perhaps none."""
        return self.at([place for place, name in enumerate(self.characters) if name == character])

    def at(self, places: Sequence[int]) -> Losses:
        """The chats at these places, in their order."""
        ids, characters = ([names[place] for place in places] for names in (self.ids, self.characters))
        return Losses(tuple(ids), tuple(characters), self.nll[list(places)], self.tokens[list(places)])


def read_answers(path: str | Path) -> list[dict]:
    """The lines of answers.jsonl. Raises UserError with file and line where one is not what the answer stage promises."""
    return checked_lines(path, _ANSWER)


def read_talks(path: str | Path) -> list[dict]:
    """The lines of talks.jsonl. Raises UserError with file and line where one is not what the answer stage promises."""
    return [_checked(path, number, value, _TALK) for number, value in read_lines(path)]


def read_samples(path: str | Path, first: Sequence[Exchange], names: Mapping[str, str]) -> list[list[Exchange]]:
    """The exchanges of the second and later samples, as `exchanges` puts them together.

    Raises UserError with file and line where a line is not what the answer stage promises, and where a sample has other prompts than the `first`.
    """
    found: dict[int, list[dict]] = {}
    for record in checked_lines(path, _SAMPLE):
        found.setdefault(record["sample"], []).append(record)
    if sorted(found) != list(range(2, len(found) + 2)):
        raise UserError(
            f"{path}: found the samples {', '.join(map(str, sorted(found)))}; expected 2, 3 and so on, for the first is answers.jsonl; run the answer stage again"
        )
    later = [exchanges(found[sample], names, path) for sample in sorted(found)]
    for sample, own in zip(sorted(found), later, strict=True):
        if [one.asked for one in own] != [one.asked for one in first]:
            raise UserError(f"{path}: sample {sample} has other prompts than data/answers/answers.jsonl; run the answer stage again")
    return later


def read_plain(path: str | Path, questions: Iterable[Mapping]) -> dict[str, list[str]]:
    """What each arm of PLAIN answered to the plain questions, in their order.

    Raises UserError with file and line where one is not what the answer stage promises, and where an arm was not asked each question once, as it stands now.
    """
    given: dict[tuple[str, str, str], str] = {}
    for number, value in read_lines(path):
        record = _checked(path, number, value, _PLAIN)
        key = record["arm"], record["id"], record["prompt"]
        if key in given:
            raise UserError(f"{path}:{number}: {record['arm']} answers {record['id']} twice; expected one answer each")
        given[key] = record["answer"]
    wanted = {arm: [(arm, question["id"], question["prompt"]) for question in questions] for arm in PLAIN}
    if different := sorted({name for keys in wanted.values() for name in keys} ^ set(given)):
        arm, name, _ = different[0]
        raise UserError(f"{path}: {arm} was not asked {name} as data/prompts/plain.jsonl has it now; run the answer stage again")
    return {arm: [given[name] for name in keys] for arm, keys in wanted.items()}


def read_gold(folder: str | Path, characters: Iterable[str]) -> dict[str, list[list[str]]]:
    """The replies of each of these characters' hand-written chats, CHARACTER.jsonl in the folder; a character without such a file is left out.

    A line that is no gold chat is passed over: curate tells of it, where the character takes part.
    """
    found = {}
    for character in sorted(characters):
        path = Path(folder) / f"{character}.jsonl"
        if path.exists():
            found[character] = [spoken(value, "gpt") for _, value in read_lines(path) if not isinstance(value, ValueError) and fits("gold", value)]
    return found


def read_training(path: str | Path) -> dict[str, float]:
    """metrics/train.json. Raises UserError where what the page tells of it is not there."""
    found = read_json(path)
    for name in TOLD:
        value = found.get(name) if isinstance(found, dict) else None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UserError(
                f"{path}: {name} is {json.dumps(value)[:40]}; expected a number, as the train stage writes it: `dvc repro train`, or `git checkout {path}`"
            )
    return found


def read_losses(path: str | Path) -> list[dict]:
    """The lines of losses.jsonl. Raises UserError with file and line where one is not what the answer stage promises."""
    records = []
    for number, value in read_lines(path):
        record = _checked(path, number, value, _LOSS)
        if record["tokens"] < 1 or not 0 <= record["nll"] <= MOST_NATS * record["tokens"]:
            raise UserError(
                f"{path}:{number}: nll {record['nll']} over {record['tokens']} tokens; expected at least 1 token, and at least 0 and at most {MOST_NATS} nats for each"
            )
        records.append(record)
    return records


def checked_lines(path: str | Path, fields: dict[str, tuple[str, ...] | type]) -> list[dict]:
    """The lines of a JSONL file. Raises UserError with file and line where one has not exactly these fields: of a type, or one of some words."""
    return [_checked(path, number, value, fields) for number, value in read_lines(path)]


def _checked(path: str | Path, number: int, value: Any, fields: dict[str, tuple[str, ...] | type]) -> dict:
    where = f"{path}:{number}"
    if isinstance(value, ValueError):
        raise UserError(f"{where}: {value}")
    if not isinstance(value, dict) or set(value) != set(fields):
        found = sorted(value) if isinstance(value, dict) else type(value).__name__
        raise UserError(f"{where}: found {found}; expected an object with exactly {', '.join(fields)}")
    for name, allowed in fields.items():
        if isinstance(allowed, tuple):
            if value[name] not in allowed:
                raise UserError(f"{where}: {name} is {value[name]!r}; expected one of {', '.join(map(str, allowed))}")
        elif isinstance(value[name], bool) or not isinstance(value[name], (int, float) if allowed is float else allowed):
            raise UserError(f"{where}: {name} is {value[name]!r}; expected a value of type {allowed.__name__}")
    return value


def exchanges(records: Iterable[dict], names: Mapping[str, str], path: str | Path = "data/answers/answers.jsonl") -> list[Exchange]:
    """The answers put together by prompt, character and turn, ordered by set, kind, id, character and turn; `names` gives each character's name by file name.

    `path` is the file that they come from, for messages.

    Raises UserError where an arm lacks a prompt or has it twice, where the arms were asked different things, where a turn of a
    conversation is missing or of another kind, where a character has no card, or where a whole set of SETS is missing.
    """
    by_prompt: dict[tuple[str, str, str, int], dict[str, dict]] = {}
    for record in records:
        key = (record["set"], record["id"], record["character"], record["turn"])
        arms = by_prompt.setdefault(key, {})
        if record["arm"] in arms:
            raise UserError(f"{path}: {record['arm']} answers {_asked(*key)} twice; expected one answer each")
        arms[record["arm"]] = record
    result = []
    for key, arms in by_prompt.items():
        group, place, character, turn = key
        if missing := [arm for arm in ARMS if arm not in arms]:
            raise UserError(f"{path}: {_asked(*key)} has no answer by {', '.join(missing)}; all arms must answer the same prompts: run the answer stage again")
        told = [tuple(arms[arm][name] for name in ("kind", "prompt")) for arm in ARMS]
        if len(set(told)) > 1:
            raise UserError(f"{path}: {_asked(*key)} is not the same for all arms: {' and '.join(map(str, told))}; run the answer stage again")
        kind, prompt = told[0]
        if character not in names:
            raise UserError(f"{path}: {group} prompt {place} is for the character {character!r}; data/characters has {', '.join(sorted(names))}")
        answers = {arm: answer_of(arms[arm], names[character]) for arm in ARMS}
        result.append(Exchange(group, kind, place, character, names[character], turn, prompt, answers))
    for group in SETS:
        if not any(exchange.set == group for exchange in result):
            raise UserError(f"{path}: no answer to a prompt of the set {group}; expected at least one")
    result.sort(key=lambda exchange: ((*SETS, WORLD).index(exchange.set), exchange.kind, exchange.id, exchange.character, exchange.turn))
    for conversation in conversations(result):
        turns = [exchange.turn for exchange in conversation]
        if turns != list(range(1, len(turns) + 1)):
            first = conversation[0]
            raise UserError(
                f"{path}: {first.set} prompt {first.id} to {first.character} has the turns {', '.join(map(str, turns))} of kind {first.kind!r}; "
                "expected all turns from 1, of one kind: run the answer stage again"
            )
    return result


def _asked(group: str, place: str, character: str, turn: int) -> str:
    return f"turn {turn} of {group} prompt {place} to {character}"


def conversations(exchanges: Iterable[Exchange]) -> list[Conversation]:
    """The turns put together; they come in the order that `exchanges` gives them."""
    return [tuple(turns) for _, turns in groupby(exchanges, key=lambda one: (one.set, one.kind, one.id, one.character))]


def answer_of(record: Mapping, name: str) -> Answer:
    """What the arm of a line said, as the character called `name`."""
    return Answer(record["answer"], words(record["answer"]), record["finish"] == "length", marks(record["answer"], name))


def losses(records: Iterable[dict], split: str, expected: Mapping[str, str] | None = None) -> Losses:
    """One split's losses side by side, ordered by chat id; `expected` gives each chat's character by id, where it is known what the split must have.

    Raises UserError where the arms do not cover the same chats of the same characters with the same token counts: their
    perplexities would be about different texts.
    """
    by_arm: dict[str, dict[str, dict]] = {arm: {} for arm in ARMS}
    for record in records:
        if record["split"] == split:
            if record["id"] in by_arm[record["arm"]]:
                raise UserError(f"data/answers/losses.jsonl: {record['arm']} has {split} chat {record['id']} twice; expected one line each")
            by_arm[record["arm"]][record["id"]] = record
    covered = {"data/splits": set(expected)} if expected is not None else {}
    covered |= {arm: set(by_arm[arm]) for arm in ARMS}
    for one, other in ((a, b) for a in covered for b in covered):
        if lacking := sorted(covered[one] - covered[other]):
            raise UserError(
                f"data/answers/losses.jsonl: {other} lacks {len(lacking)} {split} chats that {one} has, the first is {lacking[0]}; "
                "all must cover the same chats: run the answer stage again"
            )
    ids = tuple(sorted(by_arm[ARMS[0]]))
    if not ids:
        raise UserError(f"data/answers/losses.jsonl: no {split} chat; expected at least one")
    for name in ids:
        counts = [by_arm[arm][name]["tokens"] for arm in ARMS]
        if len(set(counts)) > 1:
            raise UserError(
                f"data/answers/losses.jsonl: {split} chat {name} has {', '.join(f'{count} tokens under {arm}' for arm, count in zip(ARMS, counts, strict=True))}; "
                "all arms must use the same template and mask"
            )
        told = {arm: by_arm[arm][name]["character"] for arm in ARMS} | ({"data/splits": expected[name]} if expected is not None else {})
        if len(set(told.values())) > 1:
            who = ", ".join(f"{character} under {where}" for where, character in told.items())
            raise UserError(f"data/answers/losses.jsonl: {split} chat {name} is of {who}; expected one character: run the answer stage again")
    return Losses(
        ids,
        tuple(by_arm[ARMS[0]][name]["character"] for name in ids),
        np.array([[by_arm[arm][name]["nll"] for arm in ARMS] for name in ids], dtype=float),
        np.array([by_arm[ARMS[0]][name]["tokens"] for name in ids], dtype=float),
    )
