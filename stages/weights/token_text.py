"""The tokens of a chat as a person reads them: the text of each, and whose it is."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from stages.weights.as_served import UNTRAINED, Served, Serving, Turn


@dataclass(frozen=True)
class Piece:
    """A token, or one of several that make a character together."""

    text: str
    """What the token says; of a character in several tokens, what all of them say."""
    number: int
    """Which of the tokens with this text it is, from 1."""
    of: int
    """How many they are: 1, but for characters of several bytes."""


def pieces(ids: Sequence[int], serving: Serving) -> list[Piece]:
    """The text of each token, decoded behind the one before it (some tokenizers drop the space of a token that comes first)."""
    found: list[Piece] = []
    before = first = 0
    for place in range(len(ids)):
        text = serving.decoded(ids[before : place + 1])[len(serving.decoded(ids[before:first])) :]
        if text.endswith("\ufffd") and place + 1 < len(ids):
            continue  # not yet a whole character
        count = place + 1 - first
        found += [Piece(text, number, count) for number in range(1, count + 1)]
        before, first = first, place + 1
    return found


def whose(turns: Sequence[Turn], found: Sequence[Piece], served: Served, serving: Serving) -> list[tuple[int, str]]:
    """(turn, part) of each token; the part is the turn's `words`, the `end` of a gpt turn, or the `template` around them.

    A special token right behind a turn's words, with the white space that follows it, counts to that turn; everything else of the template to the
    turn that comes.
    """
    words = _words(turns, found, served, serving)
    ends = {reply.end for reply in served.replies}
    owners: list[tuple[int, str]] = [(words[0][0], "template")] * words[0][1]
    for (turn, first, end), (coming, begin, _) in pairwise([*words, (words[-1][0], len(found), len(found))]):
        own = end
        if own < begin and served.ids[own] in serving.tokenizer.added_tokens_decoder:
            own += 1
            while own < begin and found[own].text.isspace():
                own += 1
        owners += [(turn, "words")] * (end - first)
        owners += [(turn if place < own else coming, "end" if place in ends else "template") for place in range(end, begin)]
    return owners


def _words(turns: Sequence[Turn], found: Sequence[Piece], served: Served, serving: Serving) -> list[tuple[int, int, int]]:
    """(turn, first token, token after the last) of each turn's words, in order. A reply's reach to its end of turn."""
    asked = "What is asked"
    behind = serving.text([{"from": "human", "value": asked}], ask=True).rpartition(asked)[2]  # what stands between a question and the reply
    text, begins, ends = "", [], []
    for piece in found:
        begins.append(len(text))
        ends.append(len(text) + len(piece.text))
        text += piece.text if piece.number == piece.of else ""

    def lies(turn: int, start: int, until: int) -> tuple[int, int, int] | None:
        """The tokens of a turn's words, which stand last between two places of the text."""
        said = next((said for said in (turns[turn]["value"], turns[turn]["value"].strip()) if said in text[start:until]), None)
        if said is None:
            return None
        place = text.rindex(said, start, until)
        return turn, bisect_right(ends, place), bisect_left(begins, place + len(said))

    words, done = [], 0
    for reply in served.replies:
        until = begins[reply.asked] - (len(behind) if text[: begins[reply.asked]].endswith(behind) else 0)
        question = lies(reply.turn - 1, done, until)
        if turns[0]["from"] == "system" and reply.turn == 2:
            words += filter(None, [lies(0, 0, begins[question[1]] if question else until)])
        words += filter(None, [question])
        words.append((reply.turn, reply.first, reply.end))
        done = begins[reply.end]
    return words


def shown(turns: Sequence[Turn], served: Served, serving: Serving) -> list[dict]:
    """Each token of a chat for tokens.json: `text`, `id`, `turn` (from 0), `part`, `trained`; `number` and `of` where a character takes several."""
    found, labels = pieces(served.ids, serving), served.labels()
    return [
        {"text": piece.text, "id": token, "turn": turn, "part": part, "trained": bool(label != UNTRAINED)}
        | ({"number": piece.number, "of": piece.of} if piece.of > 1 else {})
        for piece, token, label, (turn, part) in zip(found, served.ids, labels, whose(turns, found, served, serving), strict=True)
    ]
