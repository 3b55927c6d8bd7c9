"""The prompts and scenarios: enough, all different, and none of them in the training data."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import chain, combinations
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
SHARED = [scenario for scenario in SCENARIOS if "character" not in scenario]
VISITORS = read_yaml(PROMPTS / "visitors.yaml")
CHARACTERS = ("elizabeth-bennet", "john-silver", "sherlock-holmes")
GOLD = {path.stem: lines(path) for path in sorted((ROOT / "data/gold").glob("*.jsonl"))}
GOLD_TURNS = [turn["value"] for chats in GOLD.values() for chat in chats for turn in chat["conversations"] if turn["from"] == "human"]
PROTECTIVE = {"drop-the-act", "out-of-era", "flattery", "threats", "grief", "false-claims"}
KINDS = {"cases", "method", "companion", "home", "small-talk", "feeling", "visitors"} | PROTECTIVE
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


def turns(entry: dict) -> list[str]:
    """What a prompt's visitor says, turn by turn."""
    return entry["prompts"] if "prompts" in entry else [entry["prompt"]]


def told(entry: dict) -> str:
    """All that a prompt or a scenario says."""
    return " ".join(filter(None, [entry.get("visitor"), entry["situation"]])) if "situation" in entry else " ".join(turns(entry))


def runs(text: str, length: int) -> set[tuple[str, ...]]:
    """Every `length` words that follow one another."""
    tokens = normal(text).split()
    return set(zip(*(tokens[start:] for start in range(length)), strict=False))


def trigrams(text: str) -> set[tuple[str, ...]]:
    return runs(text, 3)


ASKED = [text for prompt in [*EVALUATION, *REDTEAM] for text in turns(prompt)]


@pytest.mark.parametrize("prompts, label, said", [(EVALUATION, "topic", "prompt"), (REDTEAM, "category", "prompts")], ids=["evaluation", "redteam"])
def test_each_prompt_has_id_label_and_words_and_perhaps_a_character(prompts: list[dict], label: str, said: str) -> None:
    assert {frozenset(prompt) - {"character"} for prompt in prompts} == {frozenset({"id", label, said})}
    assert [text for prompt in prompts for text in turns(prompt) if not text.strip() or text != text.strip()] == []


def test_the_red_team_presses_for_three_turns() -> None:
    assert {len(prompt["prompts"]) for prompt in REDTEAM} == {3}


def test_a_character_that_is_named_has_a_card_and_gold() -> None:
    named = {entry["character"] for entry in [*EVALUATION, *REDTEAM, *SCENARIOS] if "character" in entry}
    assert named == set(CHARACTERS)
    assert named <= {path.stem for path in (ROOT / "data/characters").glob("*.json")} & set(GOLD)


@pytest.mark.parametrize("character", CHARACTERS)
def test_every_character_has_enough_prompts_and_scenarios_own_and_shared(character: str) -> None:
    assert len(fitting(EVALUATION, character)) >= 50
    assert len(fitting(REDTEAM, character)) >= 120
    assert len(fitting(SCENARIOS, character)) >= 94
    assert sum(prompt.get("character") == character for prompt in EVALUATION) >= 27
    assert sum(scenario.get("character") == character for scenario in SCENARIOS) >= 14


@pytest.mark.parametrize("character", CHARACTERS)
def test_the_red_team_has_the_six_named_categories_in_equal_parts_for_everybody(character: str) -> None:
    counts = Counter(prompt["category"] for prompt in fitting(REDTEAM, character))
    assert counts == dict.fromkeys(CATEGORIES, 20)


def test_most_of_the_red_team_comes_to_everybody() -> None:
    assert sum("character" not in prompt for prompt in REDTEAM) > 0.7 * len(REDTEAM)


@pytest.mark.parametrize("character", CHARACTERS)
def test_a_character_is_asked_at_least_three_times_about_every_topic_and_only_about_topics_of_its_gold(character: str) -> None:
    counts = Counter(prompt["topic"] for prompt in fitting(EVALUATION, character))
    assert len(counts) >= 8 and min(counts.values()) >= 3
    assert set(counts) <= {chat["topic"] for chat in GOLD[character]}


def test_no_prompt_or_scenario_for_everybody_belongs_to_one_characters_world() -> None:
    shared = [told(entry) for entry in [*EVALUATION, *REDTEAM, *SCENARIOS] if "character" not in entry]
    shared += chain.from_iterable(VISITORS.values())
    assert [text for text in shared if re.search(rf"\b(?:{'|'.join(WORLDS.values())})\b", text)] == []


def test_what_is_for_everybody_calls_nobody_sir_or_madam() -> None:
    shared = [told(entry) for entry in [*EVALUATION, *REDTEAM, *SCENARIOS] if "character" not in entry]
    assert [text for text in shared if re.search(r"\b(?:sir|mr|miss|ma'am|madam)\b", text, re.IGNORECASE)] == []


@pytest.mark.parametrize("character", CHARACTERS)
def test_nothing_for_one_character_names_anothers_world(character: str) -> None:
    others = "|".join(world for name, world in WORLDS.items() if name != character)
    own = [told(entry) for entry in [*EVALUATION, *REDTEAM, *SCENARIOS] if entry.get("character") == character]
    assert own and [text for text in own if re.search(rf"\b(?:{others})\b", text)] == []


def test_every_id_is_used_once_in_all_three_files() -> None:
    ids = Counter(entry["id"] for entry in [*EVALUATION, *REDTEAM, *SCENARIOS])
    assert [name for name, count in ids.items() if count > 1] == []


def test_no_prompt_is_asked_twice() -> None:
    counts = Counter(map(normal, ASKED))
    assert [text for text, count in counts.items() if count > 1] == []


def test_no_two_prompts_are_alike() -> None:
    """What is nearly asked twice counts twice, and the figures look surer than they are. A cry in a few words may be taken up again in the next turn."""
    asked = [(text, trigrams(text)) for text in ASKED]
    assert [(one, other) for (one, a), (other, b) in combinations(asked, 2) if len(a | b) > 8 and 10 * len(a & b) > 2 * len(a | b)] == []


def test_no_prompt_is_what_a_gold_visitor_says() -> None:
    said = {normal(text) for text in GOLD_TURNS}
    assert [text for text in ASKED if normal(text) in said] == []


def test_no_prompt_is_nearly_what_a_gold_visitor_says() -> None:
    """A prompt that the model was trained on measures memory."""
    asked = [(text, trigrams(text)) for text in ASKED]
    said = [(text, trigrams(text)) for text in GOLD_TURNS]
    close = [(prompt, text) for prompt, a in asked for text, b in said if 10 * len(a & b) > 3 * len(a | b)]
    assert close == []


def test_no_red_team_prompt_shares_eight_words_in_a_row_with_the_gold() -> None:
    gold = set().union(*(runs(turn["value"], 8) for chats in GOLD.values() for chat in chats for turn in chat["conversations"]))
    assert [text for prompt in REDTEAM for text in turns(prompt) if runs(text, 8) & gold] == []


def test_no_prompt_opens_as_a_gold_chat_does() -> None:
    def first_words(text: str) -> str:
        return " ".join(normal(text).split()[:5])

    openings = {first_words(chat["conversations"][0]["value"]) for chats in GOLD.values() for chat in chats}
    assert [text for text in ASKED if first_words(text) in openings] == []


def test_scenarios_have_an_id_a_kind_a_situation_and_those_of_one_character_perhaps_a_visitor() -> None:
    assert {frozenset(scenario) - {"character", "visitor"} for scenario in SCENARIOS} == {frozenset({"id", "kind", "situation"})}
    assert [scenario["id"] for scenario in SCENARIOS if not re.fullmatch(r"[a-z0-9-]+", scenario["id"])] == []
    assert [scenario["id"] for scenario in SHARED if "visitor" in scenario] == []
    for character in CHARACTERS:
        assert min(Counter(scenario["kind"] for scenario in fitting(SCENARIOS, character)).values()) >= 2


def test_there_are_scenarios_of_every_kind_for_everybody() -> None:
    counts = Counter(scenario["kind"] for scenario in SHARED)
    assert set(counts) == KINDS and min(counts.values()) >= 6
    assert counts["drop-the-act"] >= 9 and counts["out-of-era"] >= 9
    assert counts.total() >= 80


def test_situations_name_the_character_by_the_macro_and_visitors_do_not() -> None:
    assert [scenario["id"] for scenario in SCENARIOS if set(re.findall(r"\{\{.*?\}\}", scenario["situation"])) != {"{{char}}"}] == []
    assert [scenario["id"] for scenario in SCENARIOS if "{{" in scenario.get("visitor", "")] == []


def test_a_situation_tells_of_the_visitor_whoever_comes() -> None:
    gendered = re.compile(r"\b(?:he|him|his|himself|she|hers?|herself)\b", re.IGNORECASE)
    assert [scenario["id"] for scenario in SHARED if gendered.search(scenario["situation"])] == []
    assert [scenario["id"] for scenario in SCENARIOS if not re.search(r"\b(?:the visitor|they)\b", scenario["situation"], re.IGNORECASE)] == []
    assert {len(re.findall(r"[.?!](?= |$)", scenario["situation"])) for scenario in SCENARIOS} <= {1, 2, 3}


def test_a_scenario_for_everybody_needs_no_country_and_no_engine_but_of_a_later_time() -> None:
    bound = re.compile(r"\b(?:London|Englan\w*|English\w*|trains?|railways?|carriages?|ships?|sea|telephones?|computers?|internet|modern|century)\b")
    assert [scenario["id"] for scenario in SHARED if scenario["kind"] != "out-of-era" and bound.search(scenario["situation"])] == []
    assert [scenario["id"] for scenario in SHARED if scenario["kind"] == "out-of-era" and "long after {{char}}'s time" not in scenario["situation"]] == []


def test_no_two_situations_are_alike() -> None:
    situations = [(scenario["id"], trigrams(scenario["situation"])) for scenario in SCENARIOS]
    assert [(one, other) for (one, a), (other, b) in combinations(situations, 2) if 10 * len(a & b) > 2 * len(a | b)] == []


def test_no_scenario_hands_the_teacher_a_prompt_or_a_gold_turn() -> None:
    gold = [turn["value"] for chats in GOLD.values() for chat in chats for turn in chat["conversations"]]
    known = set().union(*(runs(text, 6) for text in [*map(told, [*EVALUATION, *REDTEAM]), *gold]))
    assert [scenario["id"] for scenario in SCENARIOS if runs(scenario["situation"], 6) & known] == []


def test_a_visitor_is_put_together_from_an_age_a_station_and_a_mood() -> None:
    assert set(VISITORS) == {"ages", "moods", "stations"}
    assert len(VISITORS["ages"]) >= 6 and len(VISITORS["moods"]) >= 14 and len(VISITORS["stations"]) >= 36
    assert [name for name, entries in VISITORS.items() if len(set(map(normal, entries))) < len(entries)] == []
    assert [age for age in VISITORS["ages"] if not age.startswith(("a ", "an "))] == []
    assert [station for station in VISITORS["stations"] if station != station.lower() or station.startswith(("a ", "an ", "the "))] == []
    gendered = re.compile(r"\b(?:he|him|his|himself|she|hers?|herself|m[ae]n|wom[ae]n|boys?|girls?|lad|lass|lady|ladies|gentlem[ae]n)\b")
    assert [text for text in chain.from_iterable(VISITORS.values()) if gendered.search(text)] == []
