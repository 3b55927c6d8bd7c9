"""Which entries of a card's lorebook (`character_book`) apply to what was said.

`recursive_scanning` is ignored: what an entry says wakes no other entry. Decorators, V3's `@@...` lines at the head of an entry, are
taken off and not obeyed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from stages.common.errors import UserError

PATTERN = re.compile(r"[\\.^$*+?{}\[\]|()]|^/")
DECORATORS = re.compile(r"\s*(?:@@[^\n]*(?:\n\s*|\Z))+")


def fault(book: dict) -> str | None:
    """None, or one sentence that names the first entry whose keys are regular expressions.

    `re` cannot be stopped once it has started on a pattern such as `(a+)+$`, and a card comes from a stranger. Where `use_regex` is set and
    no key holds what a regular expression is made of, as front ends that always set it write, the keys are plain words.
    """
    for number, entry in enumerate(book.get("entries", []), start=1):
        if entry.get("use_regex") and entry["enabled"] and not entry.get("constant"):
            for key in [*entry["keys"], *(entry.get("secondary_keys") or [])]:
                if PATTERN.search(key):
                    name = str(entry.get("name") or entry.get("comment") or "")[:80]
                    return f"character_book: entry {number} {name!r}: the key {key[:80]!r} is a regular expression; write plain words and use_regex: false"
    return None


def matching(book: dict, said: Sequence[str]) -> list[str]:
    """The texts of the entries that apply to the messages `said`, oldest first, without their decorators; those before the character first.

    An entry applies where it is enabled and constant, or one of its keys occurs in the last `scan_depth` messages (and, where it is
    selective, one of its secondary keys too), in any case unless it is `case_sensitive`. Order: position, `insertion_order`, place in the
    file. Where they take more than `token_budget`, those of the lowest `priority` go first, the later ones before the earlier; a token is
    taken as 3/4 of a word between white space, the rule of thumb for English, so that Chinese or Japanese counts as less than it is.
    Raises UserError where a key is a regular expression.
    """
    before, after = around(book, said)
    return [*before, *after]


def around(book: dict, said: Sequence[str]) -> tuple[list[str], list[str]]:
    """What `matching` gives, apart: the texts that stand before the character, and those after."""
    if problem := fault(book):
        raise UserError(problem)
    depth = book.get("scan_depth")
    heard = list(said) if depth is None else list(said)[max(0, len(said) - depth) :]
    folded = [message.casefold() for message in heard]
    entries = [entry for entry in book.get("entries", []) if entry["enabled"] and _applies(entry, heard, folded)]
    told = [(entry, text) for entry in sorted(entries, key=lambda entry: entry["insertion_order"]) if (text := _text(entry)).strip()]
    told = _within(book.get("token_budget"), told)
    before = [text for entry, text in told if entry.get("position") == "before_char"]
    return before, [text for entry, text in told if entry.get("position") != "before_char"]


def _applies(entry: dict, heard: list[str], folded: list[str]) -> bool:
    fold, messages = (str, heard) if entry.get("case_sensitive") else (str.casefold, folded)

    def occurs(keys: list[str]) -> bool:
        return any(fold(key) in message for key in keys if key.strip() for message in messages)

    if entry.get("constant"):
        return True
    return occurs(entry["keys"]) and (not entry.get("selective") or not entry.get("secondary_keys") or occurs(entry["secondary_keys"]))


def _text(entry: dict) -> str:
    decorators = DECORATORS.match(entry["content"])
    return entry["content"][decorators.end() :] if decorators else entry["content"]


def _within(budget: float | None, told: list[tuple[dict, str]]) -> list[tuple[dict, str]]:
    """The entries that fit, in their order."""
    if budget is None:
        return told
    kept, left = set(), 3 * budget
    for number in sorted(range(len(told)), key=lambda number: -(told[number][0].get("priority") or 0)):
        left -= 4 * len(told[number][1].split())
        if left < 0:
            break
        kept.add(number)
    return [one for number, one in enumerate(told) if number in kept]
