"""Pairs of answers for people who must not know whose they are, and the key that stays with the team.

The page that raters get holds an id for each answer it shows and nothing else that comes from the arm. An id is an HMAC of the answer's place under a salt, and
the salt an HMAC of the lines of data/answers/answers.jsonl, sorted. So the same answers give the same page again, and nobody can compute an id from the page: it shows
two arms' answers to some prompts, and the file holds the third arm's and the red team's too. The page also names the lines' SHA-256, from which the salt
does not follow. Order and sides are drawn from a seed that holds the salt: `evaluate.seed` alone, which anybody may guess, would give them away.

Among the pairs are catch items, which are not counted as votes: pairs that come back later with their sides exchanged, and answers beside words thrown together.
"""

from __future__ import annotations

import hmac
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from stages.evaluate.inputs import ARMS, Exchange

PAIR, AGAIN, BAD = "pair", "again", "bad"
NOBODY = "nobody"  # who wrote a bad answer
ONE_IN = 10  # pairs for each catch item of either kind
LEAST = 2  # catch items of either kind, where there are as many pairs
BAD_WORDS = 12  # at least, so that a bad answer is not just a short one


@dataclass(frozen=True)
class Place:
    """Where an answer comes from: the kind of item that shows it, the prompt, the character, and the arm or NOBODY."""

    kind: str
    prompt: str
    character: str
    arm: str


@dataclass(frozen=True)
class Side:
    """One answer of an item."""

    place: Place
    text: str


@dataclass(frozen=True)
class Item:
    """What a rater sees at once: a prompt to a character, and the answers A and B."""

    exchange: Exchange
    a: Side
    b: Side


def in_order(answers: bytes) -> bytes:
    """The lines of answers.jsonl, sorted: in which order they stand there makes no other answers. What follows is made from these."""
    return b"\n".join(sorted(filter(None, answers.split(b"\n"))))


def identified(answers: bytes) -> tuple[str, bytes]:
    """(the SHA-256, in hex, by which ratings name the answers that they are of; the salt of the ids), of the bytes of answers.jsonl."""
    ordered = in_order(answers)
    return sha256(ordered).hexdigest(), salt_of(ordered)


def salt_of(answers: bytes) -> bytes:
    """The salt of the ids."""
    return hmac.digest(b"dramatis: who said what", answers, "sha256")


def identity(salt: bytes, place: Place) -> str:
    """The id under which the page shows an answer: 20 hex digits."""
    return hmac.digest(salt, "\0".join((place.kind, place.prompt, place.character, place.arm)).encode(errors="surrogatepass"), "sha256").hex()[:20]


def places(exchanges: Iterable[Exchange], salt: bytes) -> dict[str, Place]:
    """What each id that a page about these answers can hold means, whichever prompts and arms it shows."""
    found = (Place(kind, one.id, one.character, arm) for one in exchanges for kind in (PAIR, AGAIN, BAD) for arm in (*ARMS, NOBODY))
    return {identity(salt, place): place for place in found}


def items(exchanges: Sequence[Exchange], arms: tuple[str, str], count: int, seed: int, salt: bytes) -> list[Item]:
    """The items in the order in which a rater sees them: `count` pairs of the two arms' answers, or as many as there are, and the catch items.

    `exchanges` are first turns, each prompt once. Each arm is A in half of the pairs. A pair comes back in the last half, when half of all have been seen.
    """
    draw = random.Random(hmac.digest(salt, str(seed).encode(), "sha256"))
    chosen = draw.sample(exchanges, min(count, len(exchanges)))
    swapped = [place % 2 == 0 for place in range(len(chosen))]
    draw.shuffle(swapped)
    pairs = [_pair(PAIR, one, arms[::-1] if turned else arms) for one, turned in zip(chosen, swapped, strict=True)]
    caught = max(LEAST, round(len(pairs) / ONE_IN))
    middle = len(pairs) // 2
    again = [
        _pair(AGAIN, pairs[place].exchange, (pairs[place].b.place.arm, pairs[place].a.place.arm)) for place in draw.sample(range(middle), min(caught, middle))
    ]
    bad = [_beside_bad(one, draw.choice(arms), draw) for one in draw.sample(chosen, min(caught, len(chosen)))]
    late = [*pairs[middle:], *again]
    draw.shuffle(late)
    result = [*pairs[:middle], *late]
    for item in bad:
        result.insert(draw.randint(1, len(result)), item)
    return result


def _pair(kind: str, exchange: Exchange, arms: tuple[str, str]) -> Item:
    a, b = (Side(Place(kind, exchange.id, exchange.character, arm), exchange.answers[arm].text) for arm in arms)
    return Item(exchange, a, b)


def _beside_bad(exchange: Exchange, arm: str, draw: random.Random) -> Item:
    """An answer and the words of all arms' answers thrown together, as long as it."""
    real = _pair(BAD, exchange, (arm, arm)).a
    pool = sorted({word for one in ARMS for word in exchange.answers[one].text.split()}) or ["of"]
    words = [draw.choice(pool) for _ in range(max(BAD_WORDS, len(real.text.split())))]
    sides = [real, Side(Place(BAD, exchange.id, exchange.character, NOBODY), " ".join(words))]
    draw.shuffle(sides)
    return Item(exchange, *sides)


def shown(items: Sequence[Item], answers: bytes, salt: bytes) -> dict:
    """What the page holds: no arm, no prompt's id, no kind of item. `answers` and `page` are SHA-256 of the answers, as `in_order` gives them, and of the items, in hex."""
    told = [
        {
            "name": item.exchange.name,
            "prompt": item.exchange.prompt,
            **{side: {"id": identity(salt, one.place), "text": one.text} for side, one in _sides(item)},
        }
        for item in items
    ]
    return {"answers": sha256(answers).hexdigest(), "page": sha256(json.dumps(told).encode()).hexdigest(), "items": told}


def key(items: Sequence[Item], page: Mapping, salt: bytes) -> dict:
    """What reports/ab-key.json holds: whose each answer on the page is."""
    told = [
        {
            "kind": item.a.place.kind,
            "prompt": item.exchange.id,
            "character": item.exchange.character,
            **{side: {"id": identity(salt, one.place), "arm": one.place.arm} for side, one in _sides(item)},
        }
        for item in items
    ]
    return {"answers": page["answers"], "page": page["page"], "salt": salt.hex(), "items": told}


def _sides(item: Item) -> tuple[tuple[str, Side], tuple[str, Side]]:
    return ("a", item.a), ("b", item.b)
