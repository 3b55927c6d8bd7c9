"""The whole stage with a real Axolotl and a tiny model: what it writes where all is well, and its one sentence where training would not be what is served."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chats import jsonl, make_chat, prose
from tests.pages import words_of
from tests.project import ROOT, Project
from tests.tiny_base import tiny_base  # noqa: F401

pytestmark = pytest.mark.slow
FAULTS = {  # what `axolotl` in params.yaml says, and what the stage finds
    "inputs": ({"train_on_inputs": True}, "'Y' (id 59), of turn 1 (system), would be trained; expected the character's words"),
    "stop": (
        {"special_tokens": {"eos_token": "<|endoftext|>"}},
        "'<|im_end|>' (id 2), which ends turn 3 (gpt), would not be trained: the character would never",
    ),
}


def lay_out(folder: Path, base: Path, **axolotl: object) -> Project:
    """A project that is ready to train for two steps."""
    project = Project(folder)
    for file in base.iterdir():
        project.write(f"models/base/{file.name}", file.read_bytes())
    project.write("requirements/train.txt", (ROOT / "requirements/train.txt").read_bytes())
    for name, numbers in (("train", range(8)), ("validation", range(50, 52))):
        project.write(f"data/splits/{name}.jsonl", jsonl(make_chat(f"Question {number}?", prose(number, 4)) for number in numbers))
    project.set("num_epochs", 1)
    project.set("micro_batch_size", 1)
    project.set("axolotl", axolotl)
    return project


def start(project: Project) -> subprocess.Popen[str]:
    surroundings = {**os.environ, "DRAMATIS_STATE": str(project.folder / "state")}
    return subprocess.Popen(
        [sys.executable, "-m", "stages.train"], cwd=project.folder, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def said(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Project, int, str]]]:  # noqa: F811
    """(project, exit status, stderr) of a run that is well but cannot write its page, and of one for each fault; all side by side."""
    projects = {name: lay_out(tmp_path_factory.mktemp(name) / "project", tiny_base, **axolotl) for name, (axolotl, *_) in FAULTS.items()}
    projects["well"] = lay_out(tmp_path_factory.mktemp("well") / "project", tiny_base)
    (projects["well"].folder / "reports/tokens.html").mkdir(parents=True)
    with ExitStack() as stack:
        runs = {name: stack.enter_context(start(project)) for name, project in projects.items()}
        yield {
            name: (projects[name], run.wait(timeout=300) or run.returncode, errors)
            for name, run in runs.items()
            for _, errors in [run.communicate(timeout=300)]
        }


@pytest.mark.parametrize("name", FAULTS)
def test_what_would_not_be_trained_as_it_is_served_is_refused_in_one_sentence(said: dict, name: str) -> None:
    project, status, errors = said[name]
    assert status == 1
    (sentence,) = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert sentence.startswith("error: data/splits/train.jsonl:1 (sherlock-holmes-gold-"), errors
    assert all(part in sentence for part in FAULTS[name][1:]), sentence
    assert "(9 more chats have a fault)" in sentence
    assert not (project.folder / "models/adapter").exists() and not (project.folder / "reports").exists()


def test_the_page_shows_the_chat_also_where_an_earlier_run_trained_to_the_end_and_was_lost(said: dict) -> None:
    project, status, errors = said["well"]
    assert status == 1 and "tokens.html" in errors
    (project.folder / "reports/tokens.html").rmdir()
    again = start(project)
    _, errors = again.communicate(timeout=60)
    assert again.returncode == 0, errors
    html = (project.folder / "reports/tokens.html").read_text(encoding="utf-8")
    words = words_of(html)
    assert "each of 10 chats was held to what serving makes of it" in words
    assert "<|im_end|> , id 2: trained 1 time in this chat" in words
    assert str(project.folder) not in html
