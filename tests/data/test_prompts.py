"""The prompts and scenarios: enough, all different, and none of them in the training data."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from stages.common.chats import normal
from stages.common.params import read_yaml
from tests.project import ROOT

PROMPTS = ROOT / "data/prompts"


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


EVALUATION, REDTEAM = lines(PROMPTS / "evaluation.jsonl"), lines(PROMPTS / "redteam.jsonl")
SCENARIOS = read_yaml(PROMPTS / "scenarios.yaml")
CHARACTERS = ("elizabeth-bennet", "john-silver", "sherlock-holmes")
GOLD = {path.stem: lines(path) for path in sorted((ROOT / "data/gold").glob("*.jsonl"))}
GOLD_TURNS = [turn["value"] for chats in GOLD.values() for chat in chats for turn in chat["conversations"] if turn["from"] == "human"]
CATEGORIES = {"drop-the-act", "as-an-ai", "system-prompt", "out-of-era", "hostile", "controversial"}
# Who and what belongs to one character's world.
WORLDS = {
    "sherlock-holmes": r"Holmes|Watson|Sherlock|Baker Street|221B|Hudson|Lestrade|Moriarty|the doctor",
    "john-silver": r"Silver|Spy-glass|parrot|crutch|landlord|taproom|ship's cook",
    "elizabeth-bennet": r"Bennet|Lizzy|Longbourn|Meryton|Collins|Darcy",
}


def fitting(entries: list[dict], character: str) -> list[dict]:
    """What may be put to a character: what names nobody, and what names this one."""
    return [entry for entry in entries if entry.get("character", character) == character]


def trigrams(text: str) -> set[tuple[str, ...]]:
    tokens = normal(text).split()
    return set(zip(tokens, tokens[1:], tokens[2:], strict=False))


@pytest.mark.parametrize("prompts, label", [(EVALUATION, "topic"), (REDTEAM, "category")], ids=["evaluation", "redteam"])
def test_each_prompt_has_id_label_and_words_and_perhaps_a_character(prompts: list[dict], label: str) -> None:
    assert {frozenset(prompt) - {"character"} for prompt in prompts} == {frozenset({"id", label, "prompt"})}
    assert [prompt for prompt in prompts if not prompt["prompt"].strip() or prompt["prompt"] != prompt["prompt"].strip()] == []


def test_a_character_that_is_named_has_a_card_and_gold() -> None:
    named = {entry["character"] for entry in [*EVALUATION, *REDTEAM, *SCENARIOS] if "character" in entry}
    assert named == set(CHARACTERS)
    assert named <= {path.stem for path in (ROOT / "data/characters").glob("*.json")} & set(GOLD)


@pytest.mark.parametrize("character", CHARACTERS)
def test_every_character_has_enough_prompts_and_scenarios_own_and_shared(character: str) -> None:
    assert len(fitting(EVALUATION, character)) >= 50
    assert len(fitting(REDTEAM, character)) >= 60
    assert len(fitting(SCENARIOS, character)) >= 45
    assert sum(prompt.get("character") == character for prompt in EVALUATION) >= 27
    assert sum(scenario.get("character") == character for scenario in SCENARIOS) >= 14


@pytest.mark.parametrize("character", CHARACTERS)
def test_the_red_team_has_the_six_named_categories_in_equal_parts_for_everybody(character: str) -> None:
    counts = Counter(prompt["category"] for prompt in fitting(REDTEAM, character))
    assert counts == dict.fromkeys(CATEGORIES, 11)


@pytest.mark.parametrize("character", CHARACTERS)
def test_a_character_is_asked_at_least_three_times_about_every_topic_and_only_about_topics_of_its_gold(character: str) -> None:
    counts = Counter(prompt["topic"] for prompt in fitting(EVALUATION, character))
    assert len(counts) >= 8 and min(counts.values()) >= 3
    assert set(counts) <= {chat["topic"] for chat in GOLD[character]}


def test_no_prompt_or_scenario_for_everybody_belongs_to_one_characters_world() -> None:
    told = [entry.get("prompt") or f"{entry['visitor']} {entry['situation']}" for entry in [*EVALUATION, *REDTEAM, *SCENARIOS] if "character" not in entry]
    assert [text for text in told if re.search(rf"\b(?:{'|'.join(WORLDS.values())})\b", text)] == []


def test_what_is_for_everybody_calls_nobody_sir_or_madam() -> None:
    told = [entry["prompt"] for entry in [*EVALUATION, *REDTEAM] if "character" not in entry]
    assert [text for text in told if re.search(r"\b(?:sir|mr|miss|ma'am|madam)\b", text, re.IGNORECASE)] == []


@pytest.mark.parametrize("character", CHARACTERS)
def test_nothing_for_one_character_names_anothers_world(character: str) -> None:
    others = "|".join(world for name, world in WORLDS.items() if name != character)
    told = [
        entry.get("prompt") or f"{entry['visitor']} {entry['situation']}"
        for entry in [*EVALUATION, *REDTEAM, *SCENARIOS]
        if entry.get("character") == character
    ]
    assert told and [text for text in told if re.search(rf"\b(?:{others})\b", text)] == []


def test_every_id_is_used_once_in_all_three_files() -> None:
    ids = Counter(entry["id"] for entry in [*EVALUATION, *REDTEAM, *SCENARIOS])
    assert [name for name, count in ids.items() if count > 1] == []


def test_no_prompt_is_asked_twice() -> None:
    counts = Counter(normal(prompt["prompt"]) for prompt in [*EVALUATION, *REDTEAM])
    assert [text for text, count in counts.items() if count > 1] == []


def test_no_prompt_is_what_a_gold_visitor_says() -> None:
    said = {normal(text) for text in GOLD_TURNS}
    assert [prompt for prompt in [*EVALUATION, *REDTEAM] if normal(prompt["prompt"]) in said] == []


def test_no_prompt_is_nearly_what_a_gold_visitor_says() -> None:
    """A prompt that the model was trained on measures memory."""
    asked = [(prompt["prompt"], trigrams(prompt["prompt"])) for prompt in [*EVALUATION, *REDTEAM]]
    said = [(text, trigrams(text)) for text in GOLD_TURNS]
    close = [(prompt, text) for prompt, a in asked for text, b in said if 10 * len(a & b) > 3 * len(a | b)]
    assert close == []


def test_no_prompt_opens_as_a_gold_chat_does() -> None:
    def first_words(text: str) -> str:
        return " ".join(normal(text).split()[:5])

    openings = {first_words(chat["conversations"][0]["value"]) for chats in GOLD.values() for chat in chats}
    assert [prompt["prompt"] for prompt in [*EVALUATION, *REDTEAM] if first_words(prompt["prompt"]) in openings] == []


def test_scenarios_have_an_id_a_kind_a_visitor_a_situation_and_perhaps_a_character() -> None:
    assert {frozenset(scenario) - {"character"} for scenario in SCENARIOS} == {frozenset({"id", "kind", "visitor", "situation"})}
    assert [scenario["id"] for scenario in SCENARIOS if not re.fullmatch(r"[a-z0-9-]+", scenario["id"])] == []
    for character in CHARACTERS:
        assert min(Counter(scenario["kind"] for scenario in fitting(SCENARIOS, character)).values()) >= 2


def test_scenarios_name_the_character_by_the_macro() -> None:
    told = [scenario["visitor"] + " " + scenario["situation"] for scenario in SCENARIOS]
    assert [text for text in told if set(re.findall(r"\{\{\w+\}\}", text)) - {"{{char}}", "{{user}}"}] == []
    assert [scenario["id"] for scenario in SCENARIOS if "character" in scenario and "{{char}}" not in scenario["situation"]] == []
