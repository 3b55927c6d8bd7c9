"""The questions about the books' worlds: enough, of every sort, and with answers that neither prompt nor training data tells."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from stages.common.characters import read_all, system_prompt
from stages.common.chats import normal
from stages.common.params import read_yaml
from stages.common.world_questions import KINDS, read
from stages.evaluate.claims import STOPS, claims, tokens
from tests.project import ROOT

PROMPTS = ROOT / "data/prompts"
CARDS = read_all(ROOT / "data/characters")
CHARACTERS = ("elizabeth-bennet", "john-silver", "sherlock-holmes")
WORLD = read(PROMPTS / "world.jsonl", CARDS)
FACTS = [question for question in WORLD if question["kind"] == "fact"]


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


GOLD = {name: [turn for chat in lines(ROOT / f"data/gold/{name}.jsonl") for turn in chat["conversations"]] for name in CHARACTERS}
OTHERS = [question for path in sorted(PROMPTS.glob("*.jsonl")) if path.name != "world.jsonl" for question in lines(path)]


def words_of(text: str) -> str:
    """The words of a text with blanks around each, so that a form can be looked for as whole words, said, asked or denied."""
    return f" {' '.join(token for token in tokens(text) if token not in STOPS)} "


def holds(text: str, form: str) -> bool:
    """Whether the words of a form stand in a text."""
    return words_of(form) in words_of(text)


def runs(text: str, length: int) -> set[tuple[str, ...]]:
    """Every `length` words that follow one another."""
    words = normal(text).split()
    return set(zip(*(words[start:] for start in range(length)), strict=False))


@pytest.mark.parametrize("character", CHARACTERS)
def test_each_character_is_asked_fifty_facts_and_thirty_things_that_he_cannot_know(character: str) -> None:
    counts = Counter((question["kind"], question["topic"]) for question in WORLD if question["character"] == character)
    assert sum(counts["fact", topic] for topic in KINDS["fact"]) >= 50
    assert min(counts["fact", topic] for topic in KINDS["fact"]) >= 10
    assert min(counts["unknowable", topic] for topic in KINDS["unknowable"]) >= 10


def test_ids_are_used_once_over_all_prompt_files_and_name_the_file() -> None:
    counts = Counter(entry["id"] for entry in [*WORLD, *OTHERS, *read_yaml(PROMPTS / "scenarios.yaml")])
    assert [name for name, count in counts.items() if count > 1] == []
    assert [question["id"] for question in WORLD if not question["id"].startswith("world-")] == []


def test_no_prompt_and_no_form_has_blanks_around_it() -> None:
    texts = [text for question in WORLD for text in (question["prompt"], *question.get("accepted", []), *question.get("invented", []))]
    assert [text for text in texts if text != text.strip()] == []


def test_no_answer_stands_in_its_own_prompt() -> None:
    told = [(q["id"], form) for q in WORLD for form in q.get("accepted", []) + q.get("invented", []) if holds(q["prompt"], form)]
    assert told == []


def test_no_answer_stands_in_what_the_character_is_told_before() -> None:
    told = {name: system_prompt(CARDS[name], "The visitor") for name in CHARACTERS}
    assert [(q["id"], form) for q in FACTS for form in q["accepted"] if holds(told[q["character"]], form)] == []


def test_no_name_that_is_asked_for_stands_in_the_characters_gold() -> None:
    """Who learned a chat by heart does not know the book for that. Common words and numbers ("shelf", "sixteen") are in every gold."""
    gold = {name: "\n".join(words_of(turn["value"]) for turn in turns) for name, turns in GOLD.items()}
    known = [(q["id"], form) for q in FACTS for form in q["accepted"] if form != form.lower() and words_of(form) in gold[q["character"]]]
    assert known == []


def test_no_accepted_form_is_a_word_that_the_characters_reply_with_anyway() -> None:
    for character in CHARACTERS:
        replies = [turn["value"] for turn in GOLD[character] if turn["from"] == "gpt"]
        asked = [question for question in FACTS if question["character"] == character]
        found = Counter(question["id"] for reply in replies for question in asked if claims(reply, question["accepted"]))
        often = {question["id"]: found[question["id"]] / len(replies) for question in asked}
        assert {name: share for name, share in often.items() if share > 0.03} == {}
        assert sum(often.values()) / len(often) < 0.002


def test_every_accepted_form_is_found_in_an_answer_that_gives_it() -> None:
    frames = ("It was {}.", "I believe they call it {}, sir.", "{}!", "Why, {}, was it not?", "“{}”, if you must know; and what of it?")
    assert [(form, frame) for question in FACTS for form in question["accepted"] for frame in frames if not claims(frame.format(form), [form])] == []


def test_no_prompt_shares_eight_words_in_a_row_with_the_gold_or_another_prompt() -> None:
    scenarios = [" ".join(filter(None, (entry.get("visitor"), entry["situation"]))) for entry in read_yaml(PROMPTS / "scenarios.yaml")]
    elsewhere = [turn["value"] for turns in GOLD.values() for turn in turns] + scenarios
    for question in OTHERS:
        elsewhere += question.get("prompts") or [question["prompt"]]
    known = set().union(*(runs(text, 8) for text in elsewhere))
    assert [question["id"] for question in WORLD if runs(question["prompt"], 8) & known] == []
    own = Counter(run for question in WORLD for run in runs(question["prompt"], 8))
    assert [run for run, count in own.items() if count > 1] == []
