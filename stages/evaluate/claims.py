"""Whether an answer claims one of some words: says them, and does not deny them, ask about them or offer them beside others.

No grammar, only words and the stops between them. What was decided:

- "It was not Mycroft" and "neither Moran nor Mycroft" deny: a denial reaches REACH words on, to the next stop, "and" or "but". So "not Moran but Mycroft" claims Mycroft.
- "Was it Mycroft?" asks. A question that ends in a tag ("Mycroft, is it not?"), and "who but Mycroft?", claim.
- "Moran or Mycroft" offers both and claims neither, but where both are accepted forms. Doubt about one alone ("perhaps Mycroft") is a claim.
- A wrong name beside the right one is not looked for: "Moran. No, it was Mycroft" and "Moran and Mycroft" claim Mycroft. How often an answer holds a right name by chance, evaluate measures
  apart (world.chance_rate), because the list of all wrong names would never be complete.
- A number is whole: "six" is not claimed by "sixty-six", "six-and-twenty" or "six hundred".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

REACH = 5  # words between a denial and what it denies; "no" denies the next word or the one after
STOPS = frozenset(",.!?")

_QUOTES = str.maketrans("\u2018\u2019\u201b\u02bc\u00b4`", "''''''")
_LETTERS = str.maketrans({"\u00e6": "ae", "\u0153": "oe", "\u00f8": "o", "\u0142": "l", "%": " per cent "})
# A full stop behind a title or an initial ends no sentence.
_SHORT = re.compile(r"\b(mrs?|dr|st|capt|col|prof|messrs|esq|rev|hon|[a-z])\.(?=\W)")
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[.!?;:]+|\n+|[,()\[\]\"\u201c\u201d\u2026\u2014\u2013]|--+|(?<=\s)-(?=\s)")

_NEVER = frozenset(
    "not never nor neither cannot isnt wasnt arent werent aint dont doesnt didnt cant couldnt wont wouldnt shouldnt hasnt havent hadnt mustnt neednt".split()
)
# "not only", "never forget", "no doubt", "no other than", "not far from", "not long ago" deny nothing.
_HARMLESS = frozenset("only merely just simply forget forgotten forgot doubt mistake mistaking deny denying help but other less far long".split())
_FRESH = frozenset("but and because save except than".split())
_RESTATED = frozenset("rather so as at whatever thereabouts more less near nearly i if else".split())
_LEADING = frozenset("the a an at in on of from by mr mrs miss dr st captain colonel old young perhaps maybe possibly was it is old to".split())
_TAG = re.compile(
    r"(?:is|was|did|does|do|has|have|had|could|would|were|are) (?:it|he|she|they|you|i|we|not)(?: not)?|(?:is|was|did|does|do|has|have|had|could|would|were|are|ai)nt (?:it|he|she|they|you|i|we)|"
    r"eh|aye|no|hey|what|sir|maam|madam|right|who else|what else|where else|you know|you see|do you see|dye see|dont you know|says you|you say|you ask|you mean"
)
NUMBERS = frozenset(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety "
    "hundred thousand million".split()
)


def tokens(text: str) -> list[str]:
    """The words and stops of a text: no capitals, accents, apostrophes, hyphens or possessive -s; ";" and ":" are ".", and every stop but ".", "!" and "?" is ",".

    "Mr. Holmes's £1,200!" gives mr, holmes, 1200, "!"
    """
    text = unicodedata.normalize("NFKD", text.translate(_QUOTES)).casefold().translate(_LETTERS)
    text = "".join(letter for letter in text if unicodedata.category(letter) not in ("Mn", "Cf"))  # accents, and what has no width
    text = re.sub(r"(?<=\d),(?=\d{3})", "", _SHORT.sub(r"\1", text))
    return [_token(found) for found in _TOKEN.findall(text)]


def _token(found: str) -> str:
    if found[0].isalnum():
        return re.sub(r"'s$", "", found).replace("'", "")
    for stop in "?!":
        if stop in found:
            return stop
    return "." if found[0] in ".;:\n" else ","


def claims(answer: str, forms: Iterable[str]) -> bool:
    """Whether the answer claims one of the forms, as whole words."""
    wanted = [_form(form) for form in forms]
    return any(_claimed(sentence, wanted) for sentence in _sentences(answer))


@lru_cache(maxsize=4096)
def _form(form: str) -> tuple[str, ...]:
    """The words of an accepted form."""
    return tuple(token for token in tokens(form) if token not in STOPS)


@lru_cache(maxsize=64)  # an answer is looked at for the forms of many questions
def _sentences(answer: str) -> tuple[tuple[str, ...], ...]:
    """The words of each sentence, and the stop that ends it."""
    sentences: list[list[str]] = [[]]
    for token in [*tokens(answer), "."]:
        sentences[-1].append(token)
        if token in ".!?":
            sentences.append([])
    return tuple(map(tuple, sentences[:-1]))


def _claimed(sentence: tuple[str, ...], wanted: Sequence[tuple[str, ...]]) -> bool:
    spans = [
        (start, start + len(form))
        for form in wanted
        if form and form[0] in sentence
        for start in range(len(sentence) - len(form) + 1)
        if sentence[start : start + len(form)] == form and _whole(sentence, start, start + len(form))
    ]
    return any(not _asked(sentence, start) and not _denied(sentence, start, end) and not _offered(sentence, start, end, spans) for start, end in spans)


def _number(token: str) -> bool:
    return token in NUMBERS or token.isdecimal()


def _whole(sentence: tuple[str, ...], start: int, end: int) -> bool:
    """Whether the span is no part of a longer number."""
    if _number(sentence[start]) and start and _number(sentence[start - 1]) and sentence[start - 1] != "one":
        return False
    after = sentence[end + 1 :] if sentence[end] == "and" else sentence[end:]
    return not (_number(sentence[end - 1]) and after and _number(after[0]))


def _asked(sentence: tuple[str, ...], start: int) -> bool:
    if sentence[-1] != "?" or {"but", "than"} & set(sentence[max(0, start - 2) : start]):
        return False
    last = " ".join(sentence[:-1]).rpartition(" , ")
    return not (last[1] and _TAG.fullmatch(last[2]) and start < len(last[0].split()))


def _denied(sentence: tuple[str, ...], start: int, end: int) -> bool:
    for place in range(start - 1, max(-1, start - REACH - 2), -1):
        token = sentence[place]
        if token in STOPS or token in _FRESH:
            break
        if (token in _NEVER or (token == "no" and start - place <= 2)) and not _HARMLESS & set(sentence[place + 1 : min(place + 3, start + 1)]):
            return True
    if sentence[max(0, start - 2) : start] in (("rather", "than"), ("instead", "of")):
        return True
    after = " ".join(token for token in sentence[end : end + 6] if token != ",")
    return (
        re.match(
            r"(?:it |he |she )?(?:(?:is|was|were) not|isnt|wasnt)(?: (?:he|him|she|her|it|the (?:one|man|name|place|lady|woman))\b| [.!?]|$)|had nothing to do",
            after,
        )
        is not None
    )


def _offered(sentence: tuple[str, ...], start: int, end: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether "or" joins the span to something that is not accepted."""
    before = start - 1
    while before >= 0 and (sentence[before] in _LEADING or sentence[before] == ","):
        before -= 1
    if before > 0 and sentence[before] == "or" and not any(other <= before and before - other <= 1 for _, other in spans):
        return True
    # "X or Y", "X, or Y" and "X, Y or Z"
    place = end + (sentence[end] == ",")
    for skipped in range(3 if sentence[end] == "," else 1):
        here = place + skipped
        if here + 1 < len(sentence) and sentence[here] == "or" and sentence[here + 1] not in _RESTATED:
            return not any(0 < other - here <= 3 for other, _ in spans)
    return False
