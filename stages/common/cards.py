"""What a character card says: the specs V1, V2 and V3 brought to one form, and the way from V2 to V3 and back without loss.

V1 is six texts, V2 (https://github.com/malfoyslastname/character-card-spec-v2) puts them under `data` with more, V3
(https://github.com/kwaroran/character-card-spec-v3) adds fields to V2. Fields that no spec knows stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from stages.common.errors import UserError
from stages.common.schemas import fault

SPEC = {"V2": "chara_card_v2", "V3": "chara_card_v3"}
V2_TEXTS = ("creator_notes", "system_prompt", "post_history_instructions", "creator", "character_version")
V3_FIELDS = ("assets", "nickname", "creator_notes_multilingual", "source", "group_only_greetings", "creation_date", "modification_date")
# Where a V2 card, and an entry of its lorebook, keeps what only V3 has a place for: below `extensions`.
KEPT = "dramatis/v3"


def version(card: Any) -> str:
    """Which spec a card says that it follows, "V1", "V2" or "V3", or is taken for where it has no `spec`."""
    if not isinstance(card, dict) or "spec" in card or "data" in card:
        return "V3" if isinstance(card, dict) and card.get("spec") == SPEC["V3"] else "V2"
    return "V1"


def checked(value: Any, where: str) -> dict:
    """A card as it lies in a file, as a whole V2 or V3 card: V1's fields stand under `data`, and what a card may leave out is there, empty.

    Raises UserError that begins with `where` and names the field where it is no card.
    """
    spec, told = version(value), ""
    if isinstance(value, dict) and "spec" not in value:
        told = " (it has no spec)"
        value = {"spec": SPEC["V2"], "spec_version": "2.0", **({"data": value} if spec == "V1" else value)}
        if isinstance(value["data"], dict):
            value["data"] = _with_v2_fields(value["data"])
    if problem := fault("character-card", value):
        problem = problem.removeprefix("data: ").removeprefix("data.") if spec == "V1" else problem
        raise UserError(f"{where}: not a Character Card {spec}{told}: {problem}")
    data = _each_entry(_with_v2_fields(value["data"]), lambda entry: {"extensions": {}, **entry})
    return {**value, "data": _with_v3_fields(data) if spec == "V3" else data}


def converted(card: dict, to: str) -> dict:
    """A card from `checked` as "V2" or "V3"; there and back it is unchanged.

    What V2 has no place for stands in its `extensions`, under "dramatis/v3". Fields of a V2 card that bear V3's names become V3's:
    whether they have V3's types, `checked` says.
    """
    if card["spec"] == SPEC[to]:
        return card
    change = _raised if to == "V3" else _lowered
    return {**card, "spec": SPEC[to], "spec_version": f"{to[1:]}.0", "data": change(card["data"])}


def normal(card: dict) -> dict:
    """The `data` of a card from `checked`, in the form that stages use: V3's, so that a V3 card and its V2 conversion are one character."""
    return converted(card, "V3")["data"]


def _with_v2_fields(data: dict) -> dict:
    empty = {**dict.fromkeys(V2_TEXTS, ""), "alternate_greetings": [], "tags": [], "extensions": {}}
    return {**data, **{field: value for field, value in empty.items() if field not in data}}


def _with_v3_fields(data: dict) -> dict:
    return _each_entry({"group_only_greetings": [], **data}, lambda entry: {"use_regex": False, **entry})


def _each_entry(data: dict, change: Callable[[dict], dict]) -> dict:
    """The same data with every entry of its lorebook changed."""
    book = data.get("character_book")
    if not book:
        return data
    return {**data, "character_book": {"extensions": {}, **book, "entries": [change(entry) for entry in book["entries"]]}}


def _lowered(data: dict) -> dict:
    # What `_with_v3_fields` puts in again by itself need not be kept.
    kept = {field: data[field] for field in V3_FIELDS if field in data and (field, data[field]) != ("group_only_greetings", [])}
    return _each_entry(_keep(data, V3_FIELDS, kept), lambda entry: _keep(entry, ("use_regex",), {"use_regex": True} if entry["use_regex"] else {}))


def _keep(value: dict, fields: Sequence[str], kept: dict) -> dict:
    """Without `fields`; those in `kept` stand in `extensions`."""
    rest = {name: inner for name, inner in value.items() if name not in fields}
    return {**rest, "extensions": {**value["extensions"], KEPT: {**value["extensions"].get(KEPT, {}), **kept}}} if kept else rest


def _raised(data: dict) -> dict:
    return _with_v3_fields(_each_entry(_restored(data), _restored))


def _restored(value: dict) -> dict:
    """With what `_keep` kept in its place again."""
    extensions = dict(value["extensions"])
    return {**extensions.pop(KEPT, {}), **value, "extensions": extensions}
