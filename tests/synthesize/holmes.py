"""A project with Holmes alone, whose teacher is a stub; the real stage runs in it, as DVC starts it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.project import ROOT

KEY, VARIABLE = "sk-test-9ever-wr1tten", "DRAMATIS_TEST_KEY"
WRITTEN = CHATS, REJECTS, METRICS, ANSWERS = (
    "data/synthetic/chats.jsonl",
    "data/synthetic/rejects.jsonl",
    "metrics/synthesize.json",
    "data/synthetic/answers.jsonl",
)
# The stage as it is; only the waits between attempts are a thousand times as short.
IMPATIENT = """
import runpy
from stages.common import completions
wait = completions._wait
completions._wait = lambda event, seconds: wait(event, seconds and seconds / 1000)
runpy.run_module("stages.synthesize", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="session")
def curated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's small files, of the gold only Holmes's, and the chats that the real curate makes of them."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    for name in ("characters", "prompts"):
        shutil.copytree(ROOT / "data" / name, folder / "data" / name)
    (folder / "data/gold").mkdir()
    shutil.copy(ROOT / "data/gold/sherlock-holmes.jsonl", folder / "data/gold")  # the stub speaks as he does
    done = run(folder, "-m", "stages.curate")
    assert done.returncode == 0, done.stderr
    return folder


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy") and name != VARIABLE}
    environment = {**inherited, "PYTHONPATH": str(ROOT), "DRAMATIS_STATE": str(folder / "state"), **variables}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def project(curated: Path, folder: Path, **changed: object) -> Path:
    """A project of its own whose `synthesize` parameters are `changed`."""
    shutil.copytree(curated, folder, dirs_exist_ok=True)
    return change(folder, **{"api_key_env": VARIABLE, "teacher": "stub-teacher", "concurrency": 4, "seed": 7, "answer_tokens": 300, **changed})


def change(folder: Path, **changed: object) -> Path:
    """Change `synthesize` parameters of a project."""
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    params["synthesize"] |= changed
    yaml.dump(params, folder / "params.yaml")
    return folder


def synthesize(folder: Path, key: str | None = KEY) -> subprocess.CompletedProcess[str]:
    return run(folder, "-c", IMPATIENT, **({VARIABLE: key} if key else {}))


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """What the stage says when it fails: one line beside the progress bar's."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    (said,) = [line for line in done.stderr.splitlines() if line and "answer/s" not in line]
    assert said.startswith("error: ")
    assert KEY not in done.stderr + done.stdout
    return said


def good(number: int) -> str:
    opening = f"Visitor: I have lost umbrella number {number}, sir.\nSherlock Holmes: Then it is under chair {number}, where you sat last."
    return f"{opening}\nVisitor: So it is!\nHolmes: Naturally."
