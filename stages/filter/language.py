"""Replies in a language that was not asked for.

Which language it is, py3langid says (0.4.0, BSD, a model of 4.5 MB inside the wheel, numpy alone beside it; Lui and Baldwin 2012, https://aclanthology.org/P12-3005/). Against
lingua 2.1.1 (96 MB) on 300 of this project's gold replies, cut to 10 words: none wrong, against 15 in lingua's quick mode and 1 in its exact one, for
73 microseconds against 379 and 2,337; of all 1,090 none either. An excerpt takes 80 to 110 microseconds, so English, which most chats are in, is known by its small
words first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from stages.filter.talk import Drop, Limits, Talk

SMALL_WORDS: Mapping[str, frozenset[str]] = {
    "en": frozenset(
        "the and you that not with have but this which what they from would there your are were when been she who them could should than then my".split()
    )
}
"""Words that hardly any other language has, by the language. In the gold's 351 chats they are 0.10 to 0.36 of all words, in the fourteen other languages of tests/filter/languages.py none."""
ENOUGH = 0.1
"""Share of words from SMALL_WORDS by which a language is known."""
EXCERPT = 200
"""Characters of the replies that are looked at, in equal parts from the first of them."""
LEAST = 100
"""Bytes of UTF-8 that can show a language, about 20 English words or 30 Chinese characters; shorter talk passes."""
CLEAR = 1.0
"""By how many nats for each byte the likeliest language must be ahead of those asked for. Measured on tests/filter/languages.py, 100 to 300
bytes: fourteen other languages 1.47 and more (Portuguese where Spanish is wanted 1.36); English verse, dialect, stammer and slang 0.0, names 0.22, laughter 0.75."""


def language(talk: Talk, limits: Limits) -> Drop | None:
    """The character's replies, taken together, are in none of the languages asked for; in doubt they pass."""
    if limits.languages is None or any(known_by_small_words(talk.reply_words, wanted) for wanted in limits.languages):
        return None
    found = other_language(excerpt(talk.replies), limits.languages)
    return Drop("language", found, ", ".join(limits.languages)) if found else None


def known_by_small_words(texts: Sequence[Sequence[str]], wanted: str) -> bool:
    """Whether texts, given as their words in normal form, are sure to be in the wanted language; False also where its small words are not in the table."""
    if wanted not in SMALL_WORDS:
        return False
    small, enough, found = SMALL_WORDS[wanted].__contains__, ENOUGH * max(1, sum(map(len, texts))), 0
    for words in texts:  # the first reply has most often enough of them
        found += sum(map(small, words))
        if found >= enough:
            return True
    return False


def excerpt(replies: Sequence[str]) -> str:
    """The beginnings of replies, EXCERPT characters in all at most."""
    each = max(EXCERPT // 4, EXCERPT // len(replies))
    return " ".join(reply[:each] for reply in replies[:4])[:EXCERPT]


def other_language(text: str, wanted: Sequence[str]) -> str | None:
    """The language of a text (ISO 639-1, of rarer ones ISO 639-3) where that is clearly none of those wanted, all known ones, else None."""
    size = len(text.encode(errors="replace"))
    if size < LEAST:
        return None
    ranked = identifier().rank(text)
    ahead = min(ranked[0][1] - score for name, score in ranked if name in wanted)
    return ranked[0][0] if ahead > CLEAR * size else None


def unknown_languages(wanted: Iterable[str]) -> list[str]:
    """Those of the wanted that no chat could be found to be in. The library is asked only for those that the table of small words lacks: it takes a while to load."""
    others = sorted(set(wanted) - set(SMALL_WORDS))
    return sorted(set(others) - known_languages()) if others else []


def known_languages() -> set[str]:
    """All that the library tells apart."""
    return {name for name, _ in identifier().rank("")}


@cache
def identifier():
    """py3langid's, loaded when it is first asked for: that takes about a second and 80 MB."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE)
