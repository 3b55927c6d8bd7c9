"""Takes personal data out of the chats of real users: each find becomes a placeholder of its kind, and is counted.

What is found is said where it is searched: cards, IBANs and IP addresses (personal_numbers.py), phone numbers, street addresses, and here e-mail
addresses, handles and the user's own name. Nothing is guessed: a name that the export does not give, an address without a number and a number
written in words stay.

Everything is looked for in folded text: digits of every script become 0-9, fullwidth signs become ASCII, dashes hyphens, all spaces one kind, and
characters of no width (zero-width spaces and joiners, soft hyphens, direction marks) are gone. What is replaced is the original's stretch, the
characters inside it included.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from stages.common.chats import normal
from stages.curate import personal_numbers, phone_numbers, street_addresses
from stages.curate.spans import Spans, spans

KINDS = ("email", "iban", "card", "ip", "address", "phone", "handle", "name")
PLACEHOLDER = re.compile(rf"\[(?:{'|'.join(KINDS).upper()})\]")

EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]++@(?P<host>[\w-]++(?:\.[\w-]++)++)")
# "@5pm" and "@ noon" are times, and the host of an e-mail address stands behind a word.
HANDLE = re.compile(r"(?<!\w)@(?![0-9]{1,2}(?:am|pm|h)?(?!\w))\w++(?:[.-]\w++)*+", re.IGNORECASE)
# Accounts as people write them without @: u/name, name#1234, and the addresses of profiles.
ACCOUNT = re.compile(
    r"(?<![\w/.])/?u/[\w-]{3,}+|(?<!\w)[A-Za-z][\w.]{1,31}#[0-9]{4}(?!\w)"
    r"|(?<![\w.])(?:www\.)?(?:t\.me|facebook\.com|instagram\.com|twitter\.com|x\.com|tiktok\.com)/@?[\w.-]*\w",
    re.IGNORECASE,
)
# Where none of this stands, only names can be.
SUSPECT = re.compile(r"[0-9@]|:[0-9a-f:]|\bu/|\.(?:me|com)/", re.IGNORECASE)

# Parts of names that are everyday words, and titles: alone they are no sign of the person. The full name is found whole all the same.
EVERYDAY = frozenset(
    "and are art best bill black born brown but can chase day dean doctor dr early esq faith fair for frank free gay good grace grant gray green grey"
    " guy hall hand hill hope iii jack jr junior just king lady lane long lord love madam major mark may me miss more mr mrs ms my new not old"
    " page park pat penny prince prof professor queen ray rich river rob rose saint senior short sir small son sr star stone strong summer sunny the"
    " user van von was west will winter wise wood young you an as at be by do go he hi if in is it no of oh ok on or so to up us we".split()
)


class _Fold(dict):
    """What each character is in folded text, for str.translate; worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind = unicodedata.category(char)
        if kind == "Cf" or "\ufe00" <= char <= "\ufe0f":  # the latter choose how an emoji is drawn
            folded = ""
        elif kind == "Nd":
            folded = str(unicodedata.decimal(char))
        elif kind == "Pd" or char == "\u2212":
            folded = "-"
        elif kind == "Zs" or char == "\t":
            folded = " "
        else:
            folded = unicodedata.normalize("NFKC", char)
            folded = folded if len(folded) == 1 else char
        self[code] = folded
        return folded


FOLD = _Fold()
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


@dataclass(frozen=True)
class Story:
    """What belongs to the book and not to a user: the text of a character's card and lorebook."""

    text: str
    """Normalised (stages.common.chats.normal), a space at either end of each text, and a line feed between two."""

    @classmethod
    def of(cls, texts: Iterable[str]) -> Story:
        """The story that some texts tell."""
        return cls("\n".join(f" {normal(text)} " for text in texts))

    def holds(self, found: str) -> bool:
        """Whether the words of `found` stand in the story in this order, whatever their case and punctuation."""
        return f" {normal(found)} " in self.text


def fold(text: str) -> str:
    """The text in which everything is looked for; as long as the text's NFC, less the characters of no width."""
    return text if text.isascii() else unicodedata.normalize("NFC", text).translate(FOLD)


def emails(text: str) -> Spans:
    """E-mail addresses whose host ends in a label of two letters or more."""

    def end_of(match: re.Match[str]) -> int | None:
        labels = match["host"].split(".")
        while len(labels) > 1 and not re.match(r"[^\W\d_][\w-]", labels[-1]):
            labels.pop()
        return match.start("host") + len(".".join(labels)) if len(labels) > 1 else None

    return spans(EMAIL, text, end_of)


def handles(text: str) -> Spans:
    """@name, anybody's."""
    return (match.span() for match in HANDLE.finditer(text))


def accounts(text: str) -> Spans:
    """u/name, name#1234 and profiles' addresses, anybody's."""
    return (match.span() for match in ACCOUNT.finditer(text))


# In this order: what an earlier one has found no later one sees. Each with a sign without which it need not look.
AT, DIGIT, COLON, SLASH = re.compile("@"), re.compile("[0-9]"), re.compile(":[0-9A-Fa-f:]"), re.compile("[/#]")
RECOGNISERS: tuple[tuple[str, re.Pattern[str], Callable[[str], Spans]], ...] = (
    ("email", AT, emails),
    ("handle", SLASH, accounts),
    ("iban", DIGIT, personal_numbers.ibans),
    ("card", DIGIT, personal_numbers.cards),
    ("ip", DIGIT, personal_numbers.ipv4s),
    ("ip", COLON, personal_numbers.ipv6s),
    ("address", DIGIT, street_addresses.english),
    ("address", DIGIT, street_addresses.german),
    ("address", DIGIT, street_addresses.french),
    ("address", DIGIT, street_addresses.southern),
    ("address", DIGIT, street_addresses.boxes),
    ("phone", DIGIT, phone_numbers.international),
    ("phone", DIGIT, phone_numbers.trunk),
    ("phone", DIGIT, phone_numbers.brackets),
    ("phone", DIGIT, phone_numbers.plain_shapes),
    ("phone", DIGIT, phone_numbers.after_a_word),
)


@dataclass(frozen=True)
class Redactor:
    """Takes out of a chat what the recognisers find, except what the story holds.

    `names` and `handles` are the user's, as the export gives them. A full name is found in any case, and so is each part of 3 letters or more that
    is no everyday word (EVERYDAY); a name that is one everyday word ("Will") stays. A handle is found in any case, with or without @; one of fewer
    than 3 letters and digits, of fewer than 5 digits alone, or that is an everyday word, with @ only.
    """

    names: tuple[str, ...]
    handles: tuple[str, ...]
    keep: Story

    def redact(self, text: str) -> tuple[str, Counter[str]]:
        """The text with placeholders, and how many were put in, by kind (KINDS). Redacting again changes nothing.

        Where something is found the text comes back in Unicode's NFC, else as it was. Placeholders that stand in it are left alone, and not counted.
        """
        counts: Counter[str] = Counter()
        # What is taken out can lay bare something new, so the search ends where it finds nothing.
        while found := self._found(text):
            text = unicodedata.normalize("NFC", text)
            pieces, position = [], 0
            for start, end, kind in found:
                pieces += [text[position:start], f"[{kind.upper()}]"]
                position = end
                counts[kind] += 1
            text = "".join([*pieces, text[position:]])
        return text, counts

    def _found(self, text: str) -> list[tuple[int, int, str]]:
        """(start, end, kind) in the NFC of `text`, from left to right."""
        folded = fold(text)
        lowered = folded.lower() if self._own_words else ""
        own = any(word in lowered for word in self._own_words)
        if not own and not SUSPECT.search(folded):
            return []
        found: list[tuple[int, int, str]] = []
        masked = _mask(folded, [match.span() for match in PLACEHOLDER.finditer(folded)])
        for kind, sign, find in (*RECOGNISERS, *(self._own if own else ()), ("handle", AT, handles)):
            if sign.search(masked):
                here = list(find(masked))
                kept = {words for words in {masked[start:end] for start, end in here} if self.keep.holds(words)}
                here = [(start, end) for start, end in here if masked[start:end] not in kept]
                masked = _mask(masked, here)
                found += [(*span, kind) for span in here]
        text = unicodedata.normalize("NFC", text)
        if len(folded) != len(text):
            places = [place for place, char in enumerate(text) if FOLD[ord(char)]]
            found = [(places[start], places[end - 1] + 1, kind) for start, end, kind in found]
        return sorted(found)

    @cached_property
    def _own(self) -> tuple[tuple[str, re.Pattern[str], Callable[[str], Spans]], ...]:
        """The recognisers of this user's handles and names."""
        return tuple((kind, pattern, _all_of(pattern)) for kind, words in self._words.items() if words for pattern in [_any_of(words)])

    @cached_property
    def _own_words(self) -> tuple[str, ...]:
        """In small letters, the first word of each name and handle: a text with none of them holds none."""
        return tuple(sorted({word[0].lower() for words in self._words.values() for word in words}))

    @cached_property
    def _words(self) -> dict[str, set[tuple[str, ...]]]:
        """The user's handles and names, folded, each as its words in turn."""
        names = {spelling for name in map(fold, self.names) for spelling in (name, _without_marks(name), name.lower().translate(UMLAUTS))}
        full = {tuple(re.findall(r"[^\s,]+", name)) for name in names}
        parts = {(part,) for words in full for word in words for part in (word, *word.split("-")) if _letters(part) >= 3}
        alone = {words for words in full | parts if len(words) > 1 or (len(words) == 1 and _letters(words[0]) >= 2 and words[0].lower() not in EVERYDAY)}
        handles = {fold(handle).strip().lstrip("@") for handle in self.handles}
        called = {(handle,) for handle in handles if len(handle) >= (5 if handle.isdecimal() else 3) and handle.lower() not in EVERYDAY}
        # Who is called by the own name is better shown as a name.
        return {"handle": called - {(word.lower(),) for (word, *more) in alone if not more} - alone, "name": alone}


def _letters(word: str) -> int:
    return sum(map(str.isalpha, word))


def _without_marks(name: str) -> str:
    """The name as one types it who has no accents on the keyboard."""
    return unicodedata.normalize("NFC", "".join(char for char in unicodedata.normalize("NFD", name) if not unicodedata.combining(char)))


def _any_of(names: set[tuple[str, ...]]) -> re.Pattern[str]:
    """A pattern of all the names as whole words, longer ones first. Scripts that put no space between words have no whole words to ask for."""

    def spaced(word: str) -> bool:
        return unicodedata.east_asian_width(word[0]) != "W"

    spelled = sorted(names, key=lambda words: (-len(words), -len("".join(words)), words))
    whole, within = (["[\\s,]{1,3}".join(map(re.escape, words)) for words in spelled if spaced(words[0]) is each] for each in (True, False))
    return re.compile("|".join([*within, *([rf"(?<!\w)@?(?:{'|'.join(whole)})(?!\w)"] if whole else [])]), re.IGNORECASE)


def _all_of(pattern: re.Pattern[str]) -> Callable[[str], Spans]:
    return lambda text: (match.span() for match in pattern.finditer(text))


def _mask(text: str, taken: Iterable[tuple[int, int]]) -> str:
    """The text, as long as before, with what is taken between brackets and unreadable: as a placeholder looks to all who search."""
    pieces, position = [], 0
    for start, end in taken:
        pieces += [text[position:start], "[", "\0" * (end - start - 2), "]"]
        position = end
    return "".join([*pieces, text[position:]])
