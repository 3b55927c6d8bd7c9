"""What becomes of a talk outside: a gold line for curate, a ShareGPT chat, and pairs of a chosen and a rejected answer for preference training. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from stages.common.errors import UserError
from tools.chat.plain import one_line
from tools.chat.talk import Exchange, Talk

LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")


@dataclass(frozen=True)
class Consent:
    """That whoever wrote the visitor's part, by name, initials or any handle, lets models be trained on the talk, under a licence (SPDX id)."""

    user: str
    license: str

    @property
    def fields(self) -> dict:
        """As a record carries it: curate reads `user` as the group that no split tears apart, and as a name that can be forgotten."""
        return {"user": self.user, "license": self.license, "consent": True}


def consent(given: object, user: object, license: object) -> Consent:
    """The consent that somebody gave. Raises UserError for anything short of a clear yes, a name and a licence."""
    if given is not True:
        raise UserError("without consent a talk is neither saved nor exported")
    name = one_line(user) if isinstance(user, str) else ""
    if not 0 < len(name) <= 100 or "\ufffd" in name:
        raise UserError("who wrote the visitor's part? A name or initials, of up to 100 characters that can be read, are expected")
    if not isinstance(license, str) or not LICENSE.fullmatch(license):
        raise UserError("under which licence? An SPDX id is expected, as CC-BY-4.0 is one")
    return Consent(name, license)


def gold(talk: Talk, consent: Consent) -> dict:
    """One line of data/gold, as schemas/gold.schema.json has it; the system turn is put in by curate."""
    return {**consent.fields, "conversations": talk.turns}


def sharegpt(talk: Talk, consent: Consent) -> dict:
    """The whole chat, its system turn first. A file CHARACTER.chats.jsonl of such lines can lie in data/gold."""
    told = talk.told([turn["value"] for turn in talk.turns])
    return {**consent.fields, "conversations": [{"from": "system", "value": told}, *talk.turns]}


def pairs(talk: Talk, consent: Consent) -> list[dict]:
    """Each pair of answers to one prompt of which somebody said which is the better: an edit over what it was made of, a thumb up over a thumb down.

    The form is TRL's conversational preference format with an explicit prompt (https://huggingface.co/docs/trl/dataset_formats#preference). Axolotl reads
    the same with `rl: dpo`, `type: chat_template.default` and `field_messages: prompt`.
    """
    told = {"character": talk.character, **consent.fields}
    return [{"prompt": talk.prompt(at), "chosen": [_assistant(better)], "rejected": [_assistant(worse)], **told} for at, better, worse in preferences(talk)]


def preferences(talk: Talk) -> list[tuple[int, str, str]]:
    """Of each pair: the exchange it belongs to, counted from 0, the better words and the worse."""
    return [(at, better, worse) for at, exchange in enumerate(talk.answered.exchanges) for better, worse in _preferred(exchange)]


def _assistant(words: str) -> dict[str, str]:
    return {"role": "assistant", "content": words}


def _preferred(exchange: Exchange) -> Iterator[tuple[str, str]]:
    """(the better words, the worse), each once, never the same on both sides."""
    found = [(one.words, one.text) for one in exchange.answers if one.edited is not None]
    found += [(up.words, down.text) for up in exchange.answers if up.thumb == "up" for down in exchange.answers if down.thumb == "down"]
    yield from dict.fromkeys((better, worse) for better, worse in found if better.strip() != worse.strip())
