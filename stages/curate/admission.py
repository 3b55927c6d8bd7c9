"""From one chat as an export tells it to a chat of the pipeline, or to the reason why not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from stages.common.characters import spoken_name, system_prompt
from stages.common.chats import chat_id
from stages.common.forgetting import Forgotten
from stages.curate.consent import Consented, given
from stages.curate.faults import Fault
from stages.curate.formats import Told
from stages.curate.groups import group
from stages.curate.privacy import Redactor, Story
from stages.curate.sources import Source
from stages.curate.turns import Cleaner

LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")


@dataclass(frozen=True)
class Rules:
    """What params.yaml and the lists in data/raw say of every chat; `licenses` is None where all are allowed."""

    user: str
    quotes: str
    licenses: Collection[str] | None
    consented: Consented
    forgotten: Forgotten


class Door:
    """Lets the chats of one character in."""

    def __init__(self, character: str, card: dict, rules: Rules):
        self._character, self._card, self._rules = character, card, rules
        self._cleaner = Cleaner(spoken_name(card), card["name"], rules.user, rules.quotes)
        self._story = Story.of(texts_of(card))

    def admit(self, told: Told, source: Source, line: int) -> tuple[dict, Counter[str]]:
        """(the chat, what was mended or replaced in it, counted). Raises Fault where the chat must stay out."""
        license = source.license if told.license is None else told.license
        ids = (*told.ids, *told.handles, source.path.name)
        # Whoever asks to be forgotten is, by any name; consent needs what only one person or chat has.
        if self._rules.forgotten.holds((*ids, *told.names)):
            raise Fault("forgotten", "an id on the list", "nobody who asked to be forgotten")
        if source.kind == "log" and not given(told.consent, ids, self._rules.consented):
            raise Fault("consent", "none", "the consent of the user whose chat it is, in the export or in the consent file")
        if not isinstance(license, str) or not LICENSE.fullmatch(license):
            raise Fault("license", "something that is no licence's id", "an SPDX id, as CC-BY-4.0 is one")
        if self._rules.licenses is not None and license.lower() not in map(str.lower, self._rules.licenses):
            raise Fault("license", license, ", ".join(self._rules.licenses))
        belongs = group(told.groups, source.kind)
        cleaned = self._cleaner.clean(told.turns, told.names, strict=source.kind == "gold")
        turns, counts = cleaned.turns, cleaned.mended
        if source.kind == "log":
            turns, replaced = self._redacted(turns, told)
            counts = counts + Counter({f"redacted_{kind}": count for kind, count in replaced.items()})
        if cleaned.marks:
            counts["marked"] += 1
        return {
            "id": chat_id(self._character, source.kind, turns),
            "character": self._character,
            **(told.labels if source.kind != "log" else {}),
            # The card's prompt, not the chat's own: train and serve must say the same.
            "conversations": [{"from": "system", "value": system_prompt(self._card, self._rules.user, [turn["value"] for turn in turns])}, *turns],
            "source": {
                "kind": source.kind,
                "file": str(source.path),
                "line": line,
                "license": license,
                **({"consent": True} if source.kind == "log" or told.consent is True else {}),
                **({"group": belongs} if belongs else {}),
            },
            **({"marks": cleaned.marks} if cleaned.marks else {}),
        }, counts

    def _redacted(self, turns: Sequence[dict[str, str]], told: Told) -> tuple[list[dict[str, str]], Counter[str]]:
        redactor, replaced, said = Redactor(told.names, told.handles, self._story), Counter(), []
        for turn in turns:
            text, found = redactor.redact(turn["value"])
            replaced += found
            said.append({"from": turn["from"], "value": text})
        return said, replaced


def texts_of(value: object) -> Iterator[str]:
    """Every text of a card, its lorebook's included."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts_of(inner)
