"""The chat is started as a person starts it: `python -m tools.chat` in a folder with cards, parameters and gold."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chat.served import lay_out
from tests.project import Project


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project as the working folder, with state of its own."""
    project = lay_out(tmp_path / "project")
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("DRAMATIS_STATE", str(tmp_path / "state"))
    for name in [name for name in os.environ if name in ("DRAMATIS_API_KEY", "NO_COLOR")]:
        monkeypatch.delenv(name)
    return project
