"""Phone numbers: the shapes in which people write them, at least 8 digits.

A run of digits alone proves nothing, so a number needs a shape that little else has: a country's code after + or 00; an area code after the trunk 0, with
separators, or 10 or 11 digits in one block; the American 3-3-4; an area code in brackets; 3-3-3 with hyphens; the Italian mobile's 3-7; or a word such
as "phone" before it. Eight digits in pairs ("22 33 44 55", Denmark, Norway) and 3-3-3 with spaces or dots ("612 345 678", Spain, Poland) are found only
after such a word: they are lists and large numbers too.

Every function takes folded text (stages/curate/privacy.py) and yields (start, end).
"""

from __future__ import annotations

import re

from stages.curate.spans import Spans, spans

SEPARATOR = r"(?: ?[()/-]{1,2} ?|[ .])"
# Not inside a longer number, a date, a time, a word or a price.
START = r"(?<![A-Za-z0-9_+$£€#])(?<![0-9][.,:/-])(?<![$£€] )"
END = r"(?![0-9A-Za-z_])(?![,:][0-9])"

INTERNATIONAL = re.compile(rf"{START}(?:\(?\+ ?\(?|00)[1-9][0-9]{{0,14}}+(?![0-9])(?:{SEPARATOR}[0-9]{{1,12}}+(?![0-9])){{0,9}}+")
TRUNK = re.compile(rf"{START}\(?0[1-9][0-9]{{0,4}}+(?![0-9])(?:{SEPARATOR}[0-9]{{2,8}}+(?![0-9])){{1,5}}+")
BRACKETS = re.compile(rf"{START}\([0-9]{{2,4}}\)[ -]?[0-9]{{2,5}}+(?![0-9])(?:[ -][0-9]{{2,5}}+(?![0-9])){{1,3}}+")
PLAIN_SHAPES = re.compile(
    rf"{START}(?:"
    r"(?:1[ .-])?(?:\([2-9][0-9]{2}\)[ -]?|[2-9][0-9]{2}[ .-])[0-9]{3}[ .-]?[0-9]{4}"  # North America, with separators
    r"|[2-9][0-9]{2}[2-9][0-9]{6}"  # North America, in one block
    r"|0[1-9][0-9]{8,9}"  # trunk 0, in one block
    r"|[5-9][0-9]{2}-[0-9]{3}-[0-9]{3}(?!-)"
    r"|3[2-9][0-9][ ./-][0-9]{6,7}"
    rf"){END}(?!\.[0-9])(?! ?[$£€%])"
)
WORDS = ("phone telephone tel telefon téléphone teléfono telefono portable mobile cell fax whatsapp handy telefonnummer handynummer rufnummer").split() + [
    "my number",
    "call me",
    "ring me",
    "text me",
    "reach me",
    "phone me",
]
# What it says about the number may stand between: "phone number is", "Tel. (home):".
AFTER_A_WORD = re.compile(rf"(?i)(?<![^\W_])(?:{'|'.join(WORDS)})(?![^\W_])[^0-9+\n]{{0,20}}(?=[0-9])")
DIGITS_AND_SEPARATORS = re.compile(rf"[0-9]{{1,15}}+(?![0-9])(?:{SEPARATOR}[0-9]{{1,12}}+(?![0-9])){{0,9}}+")
GROUP = re.compile(r"[0-9]+")
YEAR = re.compile(r"(?:1[0-9]|20)[0-9]{2}")


def is_date(groups: list[str]) -> bool:
    """Whether the first three groups are a day, a month and a year of four digits, in any of the usual orders."""
    if len(groups) < 3:
        return False
    first, second, third = groups[:3]
    if YEAR.fullmatch(third):
        return len(first) <= 2 and len(second) <= 2 and min(int(first), int(second)) <= 12 and max(int(first), int(second)) <= 31
    return bool(YEAR.fullmatch(first)) and len(second) <= 2 and len(third) <= 2 and int(second) <= 12 and int(third) <= 31


def whole_groups(text: str, most: int) -> tuple[list[str], int]:
    """The groups of digits of `text` from the first on, as many as have no more than `most` digits together, and where the last of them ends."""
    groups, digits, end = [], 0, 0
    for group in GROUP.finditer(text):
        digits += group.end() - group.start()
        if digits > most:
            break
        groups.append(group[0])
        end = group.end()
    return groups, end


def international(text: str) -> Spans:
    """Numbers with a country code: 8 to 15 digits (ITU-T E.164) after + or 00."""

    def end_of(match: re.Match[str]) -> int | None:
        prefix = 2 if match[0].startswith("00") else 0
        groups, end = whole_groups(match[0], 15 + prefix)
        return match.start() + end if sum(map(len, groups)) - prefix >= 8 else None

    return spans(INTERNATIONAL, text, end_of)


def trunk(text: str) -> Spans:
    """Numbers with an area code after the trunk 0, with separators: 8 to 12 digits."""

    def end_of(match: re.Match[str]) -> int | None:
        groups, end = whole_groups(match[0], 12)
        if is_date(groups) or sum(map(len, groups)) < 8:
            return None
        if all(len(group) == 2 for group in groups):
            # In pairs only the French five, all with one separator: 08.30 09.45 is no number, and 01 02 03 04 05 is counting.
            pairs = re.match(r"[0-9]{2}([ .-])[0-9]{2}(?:\1[0-9]{2}){3}", match[0])
            counting = pairs and len({int(pair) - place for place, pair in enumerate(groups[:5])}) == 1
            return match.start() + pairs.end() if pairs and not counting else None
        return match.start() + end

    return spans(TRUNK, text, end_of)


def brackets(text: str) -> Spans:
    """Numbers with an area code in brackets: 8 to 12 digits."""

    def end_of(match: re.Match[str]) -> int | None:
        groups, end = whole_groups(match[0], 12)
        return match.start() + end if sum(map(len, groups)) >= 8 and not all(map(YEAR.fullmatch, groups[1:])) else None

    return spans(BRACKETS, text, end_of)


def plain_shapes(text: str) -> Spans:
    """Numbers whose groups alone are telling."""
    return spans(PLAIN_SHAPES, text, lambda match: match.end())


def after_a_word(text: str) -> Spans:
    """8 to 15 digits in any groups, a large round number, years and dates excepted, after "phone" and the like."""
    lowered = text.lower()
    if not any(word in lowered for word in WORDS):  # a hundred times as fast as the pattern
        return
    for word in AFTER_A_WORD.finditer(text):
        found = DIGITS_AND_SEPARATORS.match(text, word.end())
        groups, end = whole_groups(found[0], 15) if found else ([], 0)
        thousands = len(groups) > 1 and len(groups[0]) < 4 and all(len(group) == 3 for group in groups[1:])
        large = thousands and (len(groups[0]) < 3 or groups[-1] == "000")
        if sum(map(len, groups)) >= 8 and not (large or is_date(groups) or all(map(YEAR.fullmatch, groups))):
            yield found.start(), found.start() + end
