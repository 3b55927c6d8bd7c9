"""What can be counted of the hand-written chats: variety, length, period, spelling. Whether they are good, only reading tells."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from itertools import combinations

import pytest

from stages.common.chats import normal, words
from stages.common.schemas import fault
from stages.filter.repetition import overlap
from tests.project import ROOT

TOPICS = {
    "sherlock-holmes": {"cases", "method", "watson", "baker-street", "small-talk", "feeling", "visitors", "drop-the-act", "out-of-era"},
    "john-silver": {"voyages", "seamanship", "crew", "spy-glass", "small-talk", "feeling", "visitors", "drop-the-act", "out-of-era"},
    "elizabeth-bennet": {"longbourn", "society", "marriage", "books-and-walks", "small-talk", "feeling", "visitors", "drop-the-act", "out-of-era"},
}
LEAST = {"sherlock-holmes": 120, "john-silver": 80, "elizabeth-bennet": 80}
# Sayings that everybody hangs on the character, and how often he may say each: they make a caricature.
CATCHPHRASES = {
    "sherlock-holmes": {"elementary": 1, "the game is afoot": 0},
    "john-silver": {"shiver my timbers": 1, "arr+": 0, "ahoy": 2, "matey": 2, "jim lad": 0, "pieces of eight": 2},
    "elizabeth-bennet": {"universally acknowledged": 0, "accomplished": 2, "ardently": 0, "la": 0, "pray": 10},
}


@dataclass(frozen=True)
class Gold:
    """The chats of one character."""

    name: str
    lines: list[dict]

    @property
    def chats(self) -> list[list[dict]]:
        return [line["conversations"] for line in self.lines]

    @property
    def openings(self) -> list[str]:
        return [chat[0]["value"] for chat in self.chats]

    @property
    def replies(self) -> list[str]:
        return [turn["value"] for chat in self.chats for turn in chat if turn["from"] == "gpt"]


ALL = {name: Gold(name, [json.loads(line) for line in (ROOT / f"data/gold/{name}.jsonl").read_text(encoding="utf-8").splitlines()]) for name in TOPICS}


@pytest.fixture(params=ALL.values(), ids=ALL)
def gold(request) -> Gold:
    """The chats of each character in turn."""
    return request.param


# Things, words and manners that came after 1895, or that no period gentleman used so.
MODERN = (
    r"ok|okay|hello|hi|hey|guys?|teenagers?|computers?|computing|phones?|telephoned?|smartphones?|internet|websites?|"
    r"web|online|offline|videos?|movies?|films?|tv|television|radio|wireless|"
    r"robots?|software|hardware|apps?|programmed|programming|digital|data ?base|ai|a\.i\.|chat|chatbots?|chatting|"
    r"language models?|users?|e-?mails?|downloads?|passwords?|google|wi-?fi|"
    r"selfies?|podcasts?|blogs?|airplanes?|aeroplanes?|helicopters?|jets?|astronauts?|rockets?|nuclear|atomic|lasers?|"
    r"radar|dna|genes?|genetic|penicillin|antibiotics?|vitamins?|hormones?|virus|"
    r"plastic|nylon|zippers?|jazz|stress|stressed|feedback|lifestyles?|scenarios?|proactive|brainstorm\w*|mindset|"
    r"empath\w+|fictional|sci-fi|teddy|supermarkets?|weekends?|contact me|"
    r"process(?:ing)? (?:this|my|your) feelings?|reach out|closure|awesome|basically|absolutely not|no problem|sure thing|share with me"
)
AMERICAN = (
    r"\w*(?:col|hon|fav|flav|hum|lab|neighb|parl|harb|rum|vap|od|ard|behavi|endeav|sav|splend|clam|rig|val|arm|tum|"
    r"cand)or(?:s|ed|ing|ful|able|ably|ite|hood|y)?|gray\w*|centers?|centered|theaters?|"
    r"meters?|liters?|fibers?|specters?|somber|meager|defenses?|offenses?|pretenses?|skeptic\w*|plow\w*|mold\w*|"
    r"smolder\w*|mustaches?|pajamas|jewelry|travel(?:er|ers|ed|ing)|cancel(?:ed|ing)|"
    r"counsel(?:or|ed|ing)\w*|marvel(?:ous|ed|ing)\w*|quarrel(?:ed|ing)|signal(?:ed|ing)|label(?:ed|ing)|level(?:ed|"
    r"ing)|model(?:ed|ing)|woolen|willful|skillful\w*|fulfill|enroll|installments?|gotten|"
    r"checkbooks?|curb|tires|catalogs?|dialogs?|analyz\w+|paralyz\w+|cozy|ax|story of a building|sidewalks?|candy|"
    r"faucets?|trash|mom|ass|program|inquir\w+ agent|practic(?:ed|ing)|license[ds]?"
)
# British words that the patterns above would take along.
BRITISH_ALL_THE_SAME = re.compile(
    r"Gray's Inn|humorous\w*|laborious\w*|rigorous\w*|honorary|valorous|vaporous|odorous|clamorous|armorial|licensed|license to",
    re.IGNORECASE,
)


def found(pattern: str, texts: list[str]) -> list[str]:
    return [f"{hit.group()!r} in {text[:70]!r}" for text in texts for hit in re.finditer(rf"\b(?:{pattern})\b", text, re.IGNORECASE)]


def first_words(text: str) -> str:
    return " ".join(normal(text).split()[:5])


def repeated(texts: list[str]) -> list[str]:
    return [text for text, count in Counter(map(first_words, texts)).items() if count > 1]


def test_every_gold_file_is_one_of_these_and_has_its_card() -> None:
    assert {path.stem for path in (ROOT / "data/gold").iterdir()} == set(ALL)
    assert set(ALL) <= {path.stem for path in (ROOT / "data/characters").iterdir()}


def test_there_are_enough_chats_and_each_fits_the_schema(gold: Gold) -> None:
    assert len(gold.chats) >= LEAST[gold.name]
    assert [problem for line in gold.lines if (problem := fault("gold", line))] == []
    assert all(line.get("visitor") and line.get("topic") for line in gold.lines)


def test_each_chat_has_two_to_five_exchanges_the_visitor_first(gold: Gold) -> None:
    assert {len(chat) // 2 for chat in gold.chats} == {2, 3, 4, 5}
    assert all([turn["from"] for turn in chat] == ["human", "gpt"] * (len(chat) // 2) for chat in gold.chats)


def test_every_topic_has_at_least_ten_chats(gold: Gold) -> None:
    counts = Counter(line["topic"] for line in gold.lines)
    assert set(counts) == TOPICS[gold.name]
    assert min(counts.values()) >= 10


def test_at_least_fifteen_kinds_of_visitor_come_and_none_takes_the_room(gold: Gold) -> None:
    counts = Counter(line["visitor"] for line in gold.lines)
    assert len(counts) >= 15
    assert counts.most_common(1)[0][1] <= len(gold.lines) / 10


def test_no_two_chats_open_with_the_same_five_words_of_any_character() -> None:
    assert repeated([opening for gold in ALL.values() for opening in gold.openings]) == []


def test_no_two_replies_open_with_the_same_five_words_of_any_character() -> None:
    assert repeated([reply for gold in ALL.values() for reply in gold.replies]) == []


def test_no_two_replies_share_more_than_three_tenths_of_their_trigrams(gold: Gold) -> None:
    trigrams = [set(zip(tokens, tokens[1:], tokens[2:], strict=False)) for tokens in (normal(reply).split() for reply in gold.replies)]
    close = [
        (gold.replies[a], gold.replies[b])
        for a, b in combinations(range(len(trigrams)), 2)
        if 10 * len(trigrams[a] & trigrams[b]) > 3 * len(trigrams[a] | trigrams[b])
    ]
    assert close == []


def test_replies_have_15_to_90_words_spread_over_the_range(gold: Gold) -> None:
    counts = [words(reply) for reply in gold.replies]
    assert [(count, reply) for count, reply in zip(counts, gold.replies, strict=True) if not 15 <= count <= 90] == []
    shares = Counter(min((count - 15) // 15, 4) for count in counts)
    assert {f"{15 * n + 15} and more": shares[n] / len(counts) for n in range(5) if shares[n] / len(counts) < 0.12} == {}


def test_what_everybody_hangs_on_the_character_is_hardly_said(gold: Gold) -> None:
    assert {saying: hits for saying, most in CATCHPHRASES[gold.name].items() if len(hits := found(saying, gold.replies)) > most} == {}


def test_no_modern_word_is_in_the_characters_mouth(gold: Gold) -> None:
    assert found(MODERN, gold.replies) == []


def test_the_spelling_is_british(gold: Gold) -> None:
    assert found(AMERICAN, [BRITISH_ALL_THE_SAME.sub("", reply) for reply in gold.replies]) == []


@pytest.mark.parametrize(
    "word", ["color", "gray", "honor", "center", "neighbor", "favorite", "traveler", "skeptical", "mustache", "theater", "gotten", "harbors", "jewelry"]
)
def test_the_list_of_american_spellings_would_notice(word: str) -> None:
    assert found(AMERICAN, [f"It is a {word}, sir."]) == [f"'{word}' in 'It is a {word}, sir.'"]


@pytest.mark.parametrize(
    "word", ["doctor", "inspector", "colour", "harbour", "practise", "grey", "moustache", "realize", "parlour", "conductor", "minor", "door", "floor"]
)
def test_the_list_of_american_spellings_lets_british_words_pass(word: str) -> None:
    assert found(AMERICAN, [f"It is a {word}, sir."]) == []


def test_the_text_is_plain_without_markup_curly_quotes_or_outer_spaces(gold: Gold) -> None:
    odd = re.compile(r"[\u2018\u2019\u201c\u201d\u2013\u2014\u2026*_#<>{}\[\]\n\t]|  |^\s|\s$")
    assert [(hit.group(), turn["value"][:60]) for chat in gold.chats for turn in chat if (hit := odd.search(turn["value"]))] == []


def test_no_chat_repeats_itself_as_filter_measures_it(gold: Gold) -> None:
    worst = max(overlap(normal(a["value"]).split(), normal(b["value"]).split()) for chat in gold.chats for a, b in combinations(chat, 2))
    assert worst < 0.3
