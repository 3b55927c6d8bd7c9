"""How the arms talk, whatever it is about: in whose voice, at what length, how variously, and how much of it word for word from the training chats."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stages.common.chats import spoken
from stages.evaluate import length_distance, memorisation, variety, voice
from stages.evaluate.inputs import ARMS, Conversation, Exchange, conversations
from stages.evaluate.memorisation import Copy
from stages.evaluate.scores import Bootstrap, Scores

NOBODYS = ("synthetic", "replay")
"""Kinds of training chats whose replies a model wrote: they are no yardstick of a character's voice."""


@dataclass(frozen=True)
class Lines:
    """What the characters said that is known to be theirs, and what tuned was trained on."""

    gold: Mapping[str, Sequence[Sequence[str]]]
    """Of each character the replies of each chat of the test split; of one that takes no part, of each of the gold chats."""
    own: Mapping[str, Sequence[Sequence[str]]]
    """Of each character the replies of each training chat that no model wrote."""
    training: Sequence[tuple[str, Sequence[str]]]
    """(id, replies) of every training chat."""


def lines(test: Iterable[dict], train: Iterable[dict], others: Mapping[str, Sequence[Sequence[str]]]) -> Lines:
    """The lines of both splits, chats in order of their ids, and of the `others`, who take no part: by them shows what is this character's own.

    With one character and no others the base alone would be the background, and any human voice would seem the character's: measured on the gold of Holmes,
    answers in Bennet's voice lay at 0.43 and his own at 0.47; with Bennet's and Silver's gold at 0.72 and 0.58.
    """
    train = sorted(train, key=lambda chat: chat["id"])
    return Lines(
        {**others, **_by_character(sorted(test, key=lambda chat: chat["id"]))},
        _by_character(chat for chat in train if chat["source"]["kind"] not in NOBODYS),
        [(chat["id"], spoken(chat, "gpt")) for chat in train],
    )


def _by_character(chats: Iterable[dict]) -> dict[str, list[list[str]]]:
    result: dict[str, list[list[str]]] = {}
    for chat in chats:
        result.setdefault(chat["character"], []).append(spoken(chat, "gpt"))
    return result


@dataclass(frozen=True)
class Manner:
    """The figures by their names in metrics/evaluate.json, and the copies from the training chats with the conversations that they stand in."""

    figures: Scores
    copies: Sequence[tuple[Copy, Conversation]]


def manner(exchanges: Iterable[Exchange], known: Lines, settings: Bootstrap) -> Manner:
    """How the arms answer the evaluation prompts among `exchanges`; figures of which nothing was measured are missing. The red team's visitor wants no small talk."""
    asked = [one for one in conversations(exchanges) if one[0].set == "evaluation"]
    said = {arm: [[turn.answers[arm].text for turn in one] for one in asked] for arm in ARMS}
    whom = [one[0].character for one in asked]
    resamples, confidence = settings.bootstrap, settings.confidence
    copies = memorisation.copies(said, known.training)
    figures = voice.figures(said, whom, known.gold, known.own, _stream("voice", settings), resamples, confidence)
    figures |= length_distance.figures(said, whom, known.gold, _stream("length_distance", settings), resamples, confidence)
    figures |= variety.figures(said, confidence)
    figures |= memorisation.figures(said, copies, confidence)
    return Manner(figures, [(copy, asked[copy.prompt]) for copy in copies])


def by_character(exchanges: Sequence[Exchange], known: Lines, settings: Bootstrap, characters: Collection[str]) -> dict[str, Scores]:
    """The same figures for each of `characters` alone."""
    return {name: manner([exchange for exchange in exchanges if exchange.character == name], known, settings).figures for name in sorted(characters)}


def _stream(name: str, settings: Bootstrap) -> np.random.Generator:
    """Random numbers of its own for each measure, so that a change of one changes no other."""
    return np.random.default_rng([settings.seed, *name.encode()])
