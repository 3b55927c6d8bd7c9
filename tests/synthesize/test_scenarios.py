"""A scenario file that cannot be used is one sentence, said before anybody is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chats import chats_in, jsonl
from tests.project import Project

SCENARIO = "- id: a\n  kind: cases\n  visitor: a widow\n  situation: She weeps."


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "a list of scenarios is expected"),
        ("- kind: cases\n  visitor: a\n  situation: b\n", "scenario 1 has no id"),
        (f"{SCENARIO}\n{SCENARIO}\n  character: watson\n", "scenario 2 is for 'watson', who has no card; data/characters has "),
        (f"{SCENARIO}\n  character: [sherlock-holmes]\n", "scenario 1 is for ['sherlock-holmes'], who has no card"),
        (f"{SCENARIO}\n  character:\n", "scenario 1 is for None, who has no card"),
        (f"{SCENARIO}\n  character: adler\n", "no scenario for sherlock-holmes; expected at least one, for each of them or for everybody"),
    ],
    ids=["empty", "no id", "no card", "a list", "nothing", "only another's"],
)
def test_scenarios_that_cannot_be_used_are_one_sentence_and_leave_earlier_outputs(tmp_path: Path, content: str, said: str) -> None:
    project = Project(tmp_path / "project")
    project.write("data/curated/chats.jsonl", jsonl(chats_in("train", 4)))
    project.write("data/prompts/scenarios.yaml", content)
    project.set("synthesize.base_url", "http://127.0.0.1:9/v1")
    project.add_card("adler", name="Irene Adler")
    assert f"data/prompts/scenarios.yaml: {said}" in project.refused("synthesize", OPENAI_API_KEY="none", NO_PROXY="127.0.0.1")
