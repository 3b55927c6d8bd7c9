"""Text that broke on its way: read in the wrong encoding, escaped and never unescaped, torn out of a terminal.

Mojibake is found by a small table of our own and not by ftfy's `badness` (6.3.1): a turn of 300 characters with typographic quotes, as many of a teacher's
are, costs that 86 microseconds and this 4. The table has sequences that no language writes: a single Chinese character read as Windows-1252 is missed, as is most that
was read in rarer encodings (Windows-1253, Mac Roman but for Latin letters and quotes). Tested on good and broken text of eleven languages.
"""

from __future__ import annotations

import re
from html.entities import html5

from stages.filter.talk import Drop, Limits, Talk


def _upper_half(encoding: str) -> str:
    """As what UTF-8's following bytes, 0x80 to 0xBF, are read; for a class of a regular expression."""
    return re.escape(bytes(range(0x80, 0xC0)).decode(encoding, "ignore"))


_WEST, _CYRILLIC = _upper_half("cp1252"), _upper_half("cp1251")
_STOPS = "\xa0…’”»–—"  # end a sentence in good text too: "MAÇÃ”" is an apple, in capitals
_MOJIBAKE = re.compile(
    "|".join(
        (
            f"[ÂÃ](?![{_STOPS}])[{_WEST}]",  # Latin-1's letters and signs
            f"(?<![A-ZÀ-ÞĐ])[ÂÃ][{_STOPS}]",
            "â€",  # quotes, dashes, dots
            f"â[{_WEST}]{{2}}",  # the euro, arrows, symbols
            "ðŸ",  # emoji
            "ï»¿|ï¿½",  # a byte order mark; a U+FFFD read once more
            f"(?:[ÐÑ][{_WEST}]){{2}}",  # Cyrillic
            f"(?:[ÎÏ][{_WEST}]){{2}}",  # Greek
            f"(?:[à-ï][{_WEST}]{{2}}){{2}}",  # Chinese, Japanese, Korean
            "вЂ",  # quotes, dashes, dots as Windows-1251
            f"(?:[РС][{_CYRILLIC}]){{3}}",  # Cyrillic as Windows-1251
            "‚Ä[ìîïòôúùû†¶]",  # quotes, dashes, dots as Mac Roman
            "√[©®ß±†°§¥ºª¢´≠£∂]",  # Latin-1's letters as Mac Roman
            f"(?<=[a-z])(?:[Ä-Ð][{_WEST}]|[ВГ][{_CYRILLIC}])",  # a capital with a sign behind a small letter: Polish, Czech, Turkish; Latin letters as Windows-1251
            r"(?<=[A-Za-z])[├┬][^\x00-\x7f\s]",  # Latin-1's letters as the code page of DOS
        )
    )
)
# Nearly no good text has a pair like these, so nearly none is looked at closer.
_SUSPECT = re.compile(f"[ÂÃÄ-ÐÑà-ïðвРСВГ‚√][{_WEST}{_CYRILLIC}Äß†∂≠]")
# U+FFFD and its neighbours, what was a picture or a note; controls but tab and line ends; halves of surrogate pairs; private use; what is no character.
_BROKEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufff9-\uffff\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\U000f0000-\U0010ffff]")
_TERMINAL = re.compile(r"\x1b\[[0-9;?]{0,16}[A-Za-z]")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ESCAPE = re.compile(r"\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}(?![0-9a-zA-Z])")


def wreckage(talk: Talk, limits: Limits) -> Drop | None:
    """A turn of either has more broken characters than allowed, by share; the rule's name has the kind that is met first."""
    for turn in (*talk.asked, *talk.replies):
        if (found := broken(turn)) and (share := sum(found.values()) / len(turn)) > limits.max_wreckage:
            return Drop(f"wreckage.{next(iter(found))}", float(f"{share:.3g}"), limits.max_wreckage)
    return None


def broken(text: str) -> dict[str, int]:
    """The number of broken characters by kind (character, mojibake, entity, escape), kinds that there are none of left out."""
    found = {}
    if not text.isascii() or not text.isprintable():  # line ends are not printable, U+FFFD is
        found["character"] = len(_BROKEN.findall(text)) + sum(len(hit) - 1 for hit in _TERMINAL.findall(text))
    if not text.isascii() and (_SUSPECT.search(text) or "├" in text or "┬" in text):
        found["mojibake"] = sum(len(hit.group()) for hit in _MOJIBAKE.finditer(text))
    if "&" in text:
        found["entity"] = sum(len(hit) for hit in _ENTITY.findall(text) if hit[1] == "#" or hit[1:] in html5)
    if "\\" in text:
        found["escape"] = sum(map(len, _ESCAPE.findall(text)))
    return {kind: count for kind, count in found.items() if count}


def wrecks(text: str) -> list[tuple[int, int]]:
    """(first character, character after the last) of each broken place, in order."""
    hits = [hit for pattern in (_BROKEN, _TERMINAL, _MOJIBAKE, _ESCAPE) for hit in pattern.finditer(text)]
    hits += [hit for hit in _ENTITY.finditer(text) if hit.group()[1] == "#" or hit.group()[1:] in html5]
    return sorted(hit.span() for hit in hits)
