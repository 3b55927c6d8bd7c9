"""A scenario file that cannot be used is one sentence, said before anybody is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chats import chats_in, jsonl
from tests.project import Project


@pytest.mark.parametrize(
    "content",
    ["", "- kind: cases\n  visitor: a\n  situation: b\n"],
    ids=["empty", "no id"],
)
def test_scenarios_that_are_none_are_one_sentence_and_leave_earlier_outputs(tmp_path: Path, content: str) -> None:
    project = Project(tmp_path / "project")
    project.write("data/curated/chats.jsonl", jsonl(chats_in("train", 4)))
    project.write("data/prompts/scenarios.yaml", content)
    project.set("synthesize.base_url", "http://127.0.0.1:9/v1")
    assert "data/prompts/scenarios.yaml" in project.refused("synthesize", OPENAI_API_KEY="none", NO_PROXY="127.0.0.1")
