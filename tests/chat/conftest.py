"""The chat is started as a person starts it: `python -m tools.chat` in a folder with cards, parameters and gold."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.project import ROOT, Project


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with the tools, one chat written by hand, and state of its own, as the working folder."""
    project = Project(tmp_path / "project")
    shutil.copytree(ROOT / "tools", project.folder / "tools")
    project.write("data/gold/sherlock-holmes.jsonl", '{"conversations": [{"from": "human", "value": "By hand?"}, {"from": "gpt", "value": "By hand."}]}\n')
    (project.folder / "data/raw").mkdir()
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("DRAMATIS_STATE", str(tmp_path / "state"))
    for name in [name for name in os.environ if name in ("DRAMATIS_API_KEY", "NO_COLOR")]:
        monkeypatch.delenv(name)
    return project
