"""From the turns of an export to the turns of a chat: one text for one thing said, speakers in turn, the character last."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from stages.common.characters import fill
from stages.common.chats import CONTROL
from stages.curate.faults import Fault
from stages.curate.formats import CHARACTER, HUMAN, SYSTEM

QUOTES = ("straight", "curly", "keep")
SPEAKS_FOR_USER = "speaks-for-user"

_SPACED = re.compile(r"\{\{[ \t]*(char|user)[ \t]*\}\}", re.IGNORECASE)
_STRAIGHT = str.maketrans({**dict.fromkeys("\u2018\u2019\u201a\u201b\u02bc", "'"), **dict.fromkeys("\u201c\u201d\u201e\u201f", '"')})
_CONTROL = {code: None for code in [*range(32), *range(127, 160)] if chr(code) not in "\n\t"}
# The joiners U+200C and U+200D shape letters of other scripts and emoji; beside ASCII they only hide.
_ZERO_WIDTH = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])")


def normalise(text: str, quotes: str) -> str:
    """NFC, line ends as \\n, without control and zero-width characters and outer white space; quotes and apostrophes as `quotes` says, one of QUOTES.

    Raises Fault for half a surrogate pair, which no file can hold.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Fault("encoding", "half a surrogate pair", "text that can be written as UTF-8") from None
        text = _ZERO_WIDTH.sub("", unicodedata.normalize("NFC", text))
        if quotes == "straight":
            text = text.translate(_STRAIGHT)
    if not text.isprintable():
        text = text.translate(_CONTROL)
    return _curly(text) if quotes == "curly" else text.strip()


def _curly(text: str) -> str:
    text = re.sub(r"(?<![^\s(\[{\u201c\u2018\"'])\"", "\u201c", text.strip())
    text = re.sub(r"(?<![^\s(\[{\u201c\u2018])'(?=\w)(?!(?:tis|twas|em|til)\b)", "\u2018", text)
    return text.replace('"', "\u201d").replace("'", "\u2019")


@dataclass(frozen=True)
class Cleaned:
    """A chat's turns as {"from", "value"}, the visitor first and the character last; what was mended, counted; what filter should look at."""

    turns: list[dict[str, str]]
    mended: Counter[str]
    marks: list[str] = field(default_factory=list)


class Cleaner:
    """What makes chats of one character from the turns of exports."""

    def __init__(self, name: str, full_name: str, user: str, quotes: str):
        self.name, self.user, self.quotes = name, user, quotes
        parts = [part for part in full_name.split() if len(part) > 2]
        self._own = _label([name, full_name, *parts, "{{char}}", "<bot>"])
        self._users = _label([user, *USER_LABELS])

    def clean(self, turns: Iterable[tuple[str, str]], names: Sequence[str] = (), strict: bool = False) -> Cleaned:
        """The chat in `turns`, pairs of role and text; `names` are the user's own, by which turns may be labelled.

        System turns go (the card's prompt takes their place), turns of one speaker are joined, a greeting before the visitor's
        first words and words after the character's last are cut; a `strict` chat, written by hand, must end on the character.
        Raises Fault where nothing is left, a turn is empty, or a system turn stands in the middle.
        """
        mended: Counter[str] = Counter()
        users = _label([self.user, *USER_LABELS, *names]) if names else self._users
        said: list[tuple[str, str]] = []
        spoke_for_user = False
        for role, text in turns:
            if role == SYSTEM:
                if said:
                    raise Fault("turns", f"a system turn after {len(said)} others", "system first, if at all")
                continue
            text = normalise(text, self.quotes)
            if control := CONTROL.search(text):
                raise Fault("control", f"a token that opens or ends turns, at character {control.start() + 1} of turn {len(said) + 1}", "words")
            labels = self._own if role == CHARACTER else users
            text, taken = labels.subn("", text)
            if taken:
                mended["labels"] += taken
            if role == CHARACTER and users.search(text):
                spoke_for_user = True
            if "{" in text or "<" in text:
                text = fill(_SPACED.sub(r"{{\1}}", text), self.name, self.user).strip()
            if not text:
                raise Fault("empty", f"turn {len(said) + 1} of {role} says nothing", "words in every turn")
            if said and said[-1][0] == role:
                said[-1] = (role, f"{said[-1][1]}\n\n{text}")
                mended["joined"] += 1
            else:
                said.append((role, text))
        if strict and said and said[-1][0] != CHARACTER:
            raise Fault("turns", ", ".join(role for role, _ in said), "human and gpt in turn, the character last")
        if said and said[0][0] == CHARACTER:
            del said[0]
            mended["greetings"] += 1
        if said and said[-1][0] == HUMAN:
            del said[-1]
            mended["unanswered"] += 1
        if not said:
            raise Fault("turns", "no words of the visitor with an answer", "human and gpt in turn, the character last")
        return Cleaned([{"from": role, "value": text} for role, text in said], mended, [SPEAKS_FOR_USER] if spoke_for_user else [])


USER_LABELS = ("{{user}}", "<user>", "user", "you")


def _label(names: Sequence[str]) -> re.Pattern[str]:
    """A line that begins with one of the names and a colon, perhaps in bold: "Holmes: ", "**You:** "."""
    either = "|".join(sorted({re.escape(name) for name in names if name.strip()}, key=lambda name: (-len(name), name)))
    return re.compile(rf"^[ \t]*(?:\*\*|__)?(?:{either})(?:\*\*|__)?[ \t]*:(?:\*\*|__)?[ \t]*", re.IGNORECASE | re.MULTILINE)
