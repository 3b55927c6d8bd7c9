"""What `make new-character` lays out is a card and a gold file that curate takes as they are."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from stages.common.characters import system_prompt
from stages.common.errors import UserError
from stages.common.schemas import fault
from tests.project import ROOT, Project
from tools.new_character import file_name


def lay_out(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.new_character", *arguments], cwd=project.folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )


def test_the_two_files_pass_their_schemas_and_the_stage(project):
    done = lay_out(project, "  Émile  Zola's Nana ")
    assert (done.returncode, done.stderr) == (0, "")
    card = json.loads((project.folder / "data/characters/emile-zolas-nana.json").read_text())
    assert fault("character-card", card) is None
    assert card["data"]["name"] == "Émile Zola's Nana"
    assert system_prompt(card["data"], "the visitor").startswith("You are Émile Zola's Nana, WHO")
    assert [problem for line in project.records("data/gold/emile-zolas-nana.jsonl") if (problem := fault("gold", line))] == []
    (project.folder / "data/raw").mkdir()
    project.set("characters", ["emile-zolas-nana"])
    assert project.run("curate").returncode == 0
    assert project.metrics("curate")["kept"] == 3


@pytest.mark.parametrize("there", ["data/characters/nana.json", "data/gold/nana.jsonl"])
def test_what_exists_is_not_touched_and_nothing_else_is_written(project, there):
    project.write(there, "mine")
    before = {path for path in project.folder.rglob("*") if path.is_file()}
    done = lay_out(project, "Nana")
    assert (done.returncode, done.stderr) == (1, f"error: {there} is there already; nothing was written\n")
    assert (project.folder / there).read_text() == "mine"
    assert {path for path in project.folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts} <= before


def test_a_name_without_a_latin_letter_is_one_sentence():
    with pytest.raises(UserError, match="has no letter of a-z"):
        file_name("老残")
