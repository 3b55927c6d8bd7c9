"""Whether what is trained is what will be served: the tokens and labels of each chat, held to what serving makes of it; and one chat to look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stages.common.errors import UserError
from stages.common.files import read_lines
from stages.weights.as_served import UNTRAINED, Served, Serving, Turn, first_difference, named
from stages.weights.token_text import pieces, shown, whose

OF_TOKENS = "take what changes the template or the tokens (chat_template, chat_template_kwargs, special_tokens, tokens ...) out of axolotl in params.yaml"
OF_LABELS = "take what changes which tokens are trained (train_on_inputs, special_tokens, eot_tokens ...) out of axolotl in params.yaml"
LOOKED_FOR = 20  # chats whose tokens are looked for where they are not what they should be: one shows what is wrong

Row = tuple[Sequence[int], Sequence[int]]
"""(token ids, labels) of one chat as it will be trained."""


@dataclass(frozen=True)
class Chat:
    """A chat of a file."""

    id: str
    turns: Sequence[Turn]
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line} ({self.id})"


@dataclass(frozen=True)
class Found:
    """What the tokens of a split's chats are."""

    faults: list[str]
    """A sentence for each chat that would not be trained as it will be served."""
    tokens: list[int]
    """How many each chat has, in the order of the chats; 0 of one that serving cannot make."""
    trained: int
    """How many of all of them serving leaves to the character."""


def document(rows: Mapping[str, Iterable[Row]], files: Mapping[str, str], serving: Serving) -> dict:
    """What tokens.json says of a training whose splits (train first) have these rows and come from these files: counts, and one chat's tokens.

    The chat is the training chat of median length. Raises UserError with the first fault, where there is one.
    """
    asked = {split: chats(file) for split, file in files.items()}
    found = {split: check(rows[split], asked[split], serving) for split in files}
    if faults := [fault for one in found.values() for fault in one.faults]:
        raise UserError(faults[0] + (f" ({len(faults) - 1} more chats have a fault)" if len(faults) > 1 else ""))
    if serving.writes_the_date(asked["train"][0].turns):
        raise UserError(
            "the chat template writes the date of the day: what is trained today is not what will be served tomorrow; "
            "set a date in chat_template.jinja in a copy of the base, and name that folder as base_model"
        )
    lengths = found["train"].tokens
    median = sorted(range(len(lengths)), key=lambda number: (lengths[number], asked["train"][number].id))[len(lengths) // 2]
    chat = asked["train"][median]
    return {
        "chat": chat.id,
        "file": chat.file,
        "line": chat.line,
        "splits": {split: {"chats": len(one.tokens), "tokens": sum(one.tokens), "trained": one.trained} for split, one in found.items()},
        "turns": [turn["from"] for turn in chat.turns],
        "tokens": shown(chat.turns, serving.served(chat.turns), serving),
    }


def chats(file: str) -> list[Chat]:
    """The chats of a file that the split stage wrote, in its order."""
    return [Chat(value["id"], value["conversations"], file, line) for line, value in read_lines(file)]


def check(rows: Iterable[Row], asked: Sequence[Chat], serving: Serving) -> Found:
    """Hold the rows of a split to its chats. Rows come in any order; each chat must have one of its own."""
    labels_of: dict[bytes, list[bytes]] = {}
    for ids, labels in rows:
        labels_of.setdefault(_packed(ids), []).append(_packed(labels))
    faults, tokens, trained = [], [], 0
    rowless: list[tuple[Chat, Served]] = []
    for chat in asked:
        try:
            served = serving.served(chat.turns)
        except UserError as error:
            faults.append(f"{chat}: {error}")
            tokens.append(0)
            continue
        expected = served.labels()
        tokens.append(len(served.ids))
        trained += int((expected != UNTRAINED).sum())
        if not (waiting := labels_of.get(_packed(served.ids))):
            rowless.append((chat, served))
        elif (labels := waiting.pop()) != expected.tobytes():
            faults.append(f"{chat}: {label_fault(chat.turns, served, np.frombuffer(labels, np.int32).tolist(), serving)}")
    left = [np.frombuffer(ids, np.int32).tolist() for ids, waiting in labels_of.items() for _ in waiting]
    for number, (chat, served) in enumerate(rowless):
        row = _row_of(chat, left, serving) if number < LOOKED_FOR else None
        faults.append(f"{chat}: {token_fault(served, row, serving)}")
    return Found(faults, tokens, trained)


def token_fault(served: Served, trained: Sequence[int] | None, serving: Serving) -> str:
    """Where the tokens that would be trained leave those that will be served; None stands for tokens that were not found."""
    if trained is None:
        return f"none of what would be trained has its words and the {len(served.ids)} tokens that serving will make of it; {OF_TOKENS}"
    place = first_difference(served.ids, trained)
    return (
        f"token {place + 1} would be trained as {serving.token(trained, place)}, and is {serving.token(served.ids, place)} "
        f"by the chat template that serving uses; {OF_TOKENS}"
    )


def label_fault(turns: Sequence[Turn], served: Served, labels: Sequence[int], serving: Serving) -> str | None:
    """The first token that would be trained and must not be, or the other way round; None where there is none."""
    place = first_difference(served.labels().tolist(), labels)
    if place == len(served.ids):
        return None
    turn, part = whose(turns, pieces(served.ids, serving), served, serving)[place]
    token, owner = f"token {place + 1}, {serving.token(served.ids, place)}", named(turns, turn)
    if labels[place] == UNTRAINED:
        found = f"which ends {owner}, would not be trained: the character would never learn to stop" if part == "end" else f"of {owner}, would not be trained"
    elif labels[place] == served.ids[place]:
        found = f"{'that the template writes around' if part == 'template' else 'of'} {owner}, would be trained"
    else:
        found = f"of {owner}, would be trained as {serving.token(labels, place)}"
    return f"{token}, {found}; expected the character's words and end-of-turn tokens to be trained, and nothing else: {OF_LABELS}"


def _row_of(chat: Chat, rows: Sequence[Sequence[int]], serving: Serving) -> Sequence[int] | None:
    """The tokens that hold all that a chat's two sides say; None where there are none."""
    words = [turn["value"].strip() for turn in chat.turns if turn["from"] != "system"]
    return next((row for row in rows for text in [serving.decoded(row)] if all(said in text for said in words)), None)


def _packed(numbers: Sequence[int]) -> bytes:
    return np.asarray(numbers, np.int32).tobytes()
