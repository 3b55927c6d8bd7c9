"""Numbers that belong to one person: payment cards, IBANs, IP addresses. Each is proven by its own check digits or parser, not by its looks alone.

Every function takes folded text (stages/curate/privacy.py: digits are 0-9, dashes are hyphens, spaces are spaces) and yields (start, end).
"""

from __future__ import annotations

import re
from functools import cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from stages.curate.spans import Spans, spans

# One block, or four digits first, as all issuers print them, and only the last group shorter than three. Issuers begin with 2 to 6: times in
# milliseconds (1...) and ISBNs (978...) do not. 2001 2002 2003 2004 are years.
CARD = re.compile(r"(?<![\w.,])(?!20[0-9]{2}[ -]20[0-9]{2})(?:[2-6][0-9]{12,18}|[2-6][0-9]{3,5}(?:[ -][0-9]{3,10}){1,4}(?:[ -][0-9]{1,2})?)(?!\w)(?![.,][0-9])")
GROUP = re.compile("[0-9]+")
IBAN_START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?=[ -]?[A-Za-z0-9])")
IPV4 = re.compile(r"(?<![\w.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?!\w|\.[0-9])")
# The last look-behind: `list[::2]` of a programmer is no address, `http://[::1]/` is one.
IPV6 = re.compile(r"(?<![\w:.])(?<![\w)\]]\[)[0-9A-Fa-f:.]{3,64}(?![\w:])")
VERSION_BEFORE = re.compile(r"(?i)(?:version|release|build|section|chapter|§) ?$")

# Length by country, SWIFT's IBAN registry, release 99.
IBAN_LENGTHS = {
    length: countries.split()
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
}
IBAN_LENGTH = {country: length for length, countries in IBAN_LENGTHS.items() for country in countries}
# The sum of the digits of twice a digit.
DOUBLED = {digit: sum(divmod(2 * int(digit), 10)) for digit in "0123456789"}


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of ISO/IEC 7812-1 for the others."""
    return (sum(map(int, digits[-1::-2])) + sum(DOUBLED[digit] for digit in digits[-2::-2])) % 10 == 0


def cards(text: str) -> Spans:
    """Payment cards: 13 to 19 digits, in one block or in groups, that pass Luhn's check."""

    def end_of(match: re.Match[str]) -> int | None:
        # The number that follows a card is no part of it: whole groups are left off until the rest is one.
        groups = GROUP.findall(match[0])
        while len(digits := "".join(groups)) >= 13:
            if len(digits) <= 19 and luhn(digits):
                return match.start() + len(digits) + len(groups) - 1
            groups.pop()
        return None

    return spans(CARD, text, end_of)


@cache
def _of_length(length: int) -> re.Pattern[str]:
    return re.compile(rf"[A-Za-z0-9](?:[ -]?[A-Za-z0-9]){{{length - 1}}}(?![A-Za-z0-9])")


def ibans(text: str) -> Spans:
    """IBANs in any case, in one block or in groups: the country's length, and the remainder 1 of ISO 13616."""

    def end_of(match: re.Match[str]) -> int | None:
        length = IBAN_LENGTH.get(match[0][:2].upper())
        whole = length and _of_length(length).match(text, match.start())
        if not whole:
            return None
        signs = re.sub(r"[ -]", "", whole[0])
        return whole.end() if int("".join(str(int(sign, 36)) for sign in signs[4:] + signs[:4])) % 97 == 1 else None

    return spans(IBAN_START, text, end_of)


def ipv4s(text: str) -> Spans:
    """IPv4 addresses; four numbers after "version" and the like are a version."""

    def end_of(match: re.Match[str]) -> int | None:
        try:
            IPv4Address(match[0])
        except AddressValueError:
            return None
        return None if VERSION_BEFORE.search(text[max(0, match.start() - 10) : match.start()]) else match.end()

    return spans(IPV4, text, end_of)


def ipv6s(text: str) -> Spans:
    """IPv6 addresses that have a digit: `a::b` is more often a line of a program."""

    def end_of(match: re.Match[str]) -> int | None:
        found = match[0].rstrip(".")
        if found.endswith(":") and not found.endswith("::"):
            found = found[:-1]
        if found.count(":") < 2 or not re.search(r"[0-9]", found):
            return None
        try:
            IPv6Address(found)
        except AddressValueError:
            return None
        return match.start() + len(found)

    return spans(IPV6, text, end_of)
