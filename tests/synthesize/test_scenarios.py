"""A file of scenarios or visitors that cannot be used is one sentence, said before anybody is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chats import chats_in, jsonl
from tests.project import Project

VISITORS = "ages: [a young]\nstations: [cook]\nmoods: [in haste]\n"
SCENARIO = "- id: a\n  kind: cases\n  visitor: a widow\n  situation: She weeps."


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "a list of scenarios is expected"),
        ("- kind: cases\n  visitor: a\n  situation: b\n", "scenario 1 has no id"),
        (f"{SCENARIO}\n{SCENARIO}\n  character: watson\n", "scenario 2 is for 'watson', who has no card; data/characters has "),
        (f"{SCENARIO}\n  character: [sherlock-holmes]\n", "scenario 1 is for ['sherlock-holmes'], who has no card"),
        (f"{SCENARIO}\n  character:\n", "scenario 1 is for None, who has no card"),
        (f"{SCENARIO}\n{SCENARIO}\n", "scenario 2 has the id a, as one before it has"),
        ("- {id: a, kind: cases, situation: b, visitor: 3}\n", "scenario 1 has the visitor 3; expected words, or none"),
        (f"{SCENARIO}\n  character: adler\n", "no scenario for sherlock-holmes; expected at least one, for each of them or for everybody"),
    ],
    ids=["empty", "no id", "no card", "a list", "nothing", "twice", "no words", "only another's"],
)
def test_scenarios_that_cannot_be_used_are_one_sentence_and_leave_earlier_outputs(tmp_path: Path, content: str, said: str) -> None:
    project = Project(tmp_path / "project")
    project.write("data/curated/chats.jsonl", jsonl(chats_in("train", 4)))
    project.write("data/prompts/scenarios.yaml", content)
    project.write("data/prompts/visitors.yaml", VISITORS)
    project.set("synthesize.base_url", "http://127.0.0.1:9/v1")
    project.add_card("adler", name="Irene Adler")
    assert f"data/prompts/scenarios.yaml: {said}" in project.refused("synthesize", OPENAI_API_KEY="none", NO_PROXY="127.0.0.1")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "ages is None; expected a list of words"),
        (VISITORS.replace("[cook]", "[]"), "stations is []; expected a list of words"),
        (VISITORS.replace("[in haste]", "[3]"), "moods is [3]; expected a list of words"),
        (VISITORS.replace("moods", "humours"), "moods is None; expected a list of words"),
    ],
    ids=["a list", "an empty list", "a number", "another name"],
)
def test_visitors_that_cannot_be_used_are_one_sentence(tmp_path: Path, content: str, said: str) -> None:
    project = Project(tmp_path / "project")
    project.write("data/curated/chats.jsonl", jsonl(chats_in("train", 4)))
    project.write("data/prompts/scenarios.yaml", SCENARIO)
    project.write("data/prompts/visitors.yaml", content)
    project.set("synthesize.base_url", "http://127.0.0.1:9/v1")
    assert f"data/prompts/visitors.yaml: {said}" in project.refused("synthesize", OPENAI_API_KEY="none")
