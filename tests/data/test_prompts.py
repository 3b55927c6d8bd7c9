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
GOLD_TURNS = [turn["value"] for chat in lines(ROOT / "data/gold/sherlock-holmes.jsonl") for turn in chat["conversations"] if turn["from"] == "human"]
CATEGORIES = {"drop-the-act", "as-an-ai", "system-prompt", "out-of-era", "hostile", "controversial"}


def trigrams(text: str) -> set[tuple[str, ...]]:
    tokens = normal(text).split()
    return set(zip(tokens, tokens[1:], tokens[2:], strict=False))


@pytest.mark.parametrize("prompts, label", [(EVALUATION, "topic"), (REDTEAM, "category")], ids=["evaluation", "redteam"])
def test_there_are_at_least_sixty_prompts_each_with_id_label_and_words(prompts: list[dict], label: str) -> None:
    assert len(prompts) >= 60
    assert {frozenset(prompt) for prompt in prompts} == {frozenset({"id", label, "prompt"})}
    assert [prompt for prompt in prompts if not prompt["prompt"].strip() or prompt["prompt"] != prompt["prompt"].strip()] == []


def test_the_red_team_has_the_six_named_categories_in_equal_parts() -> None:
    counts = Counter(prompt["category"] for prompt in REDTEAM)
    assert set(counts) == CATEGORIES
    assert min(counts.values()) >= 10 and max(counts.values()) - min(counts.values()) <= 1


def test_every_topic_is_asked_about_and_as_often_as_the_others() -> None:
    counts = Counter(prompt["topic"] for prompt in EVALUATION)
    assert len(counts) >= 8
    assert min(counts.values()) >= 5 and max(counts.values()) - min(counts.values()) <= 1


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


def test_scenarios_have_an_id_a_kind_a_visitor_and_a_situation() -> None:
    assert len(SCENARIOS) >= 40
    assert {frozenset(scenario) for scenario in SCENARIOS} == {frozenset({"id", "kind", "visitor", "situation"})}
    assert [scenario["id"] for scenario in SCENARIOS if not re.fullmatch(r"[a-z0-9-]+", scenario["id"])] == []
    assert min(Counter(scenario["kind"] for scenario in SCENARIOS).values()) >= 5


def test_scenarios_fit_any_character() -> None:
    """They name him by his macro, and no name of the Holmes stories."""
    told = [scenario["visitor"] + " " + scenario["situation"] for scenario in SCENARIOS]
    assert [text for text in told if re.search(r"Holmes|Watson|Sherlock|Baker Street|Hudson|Lestrade|Moriarty", text)] == []
    assert [text for text in told if set(re.findall(r"\{\{\w+\}\}", text)) - {"{{char}}", "{{user}}"}] == []
