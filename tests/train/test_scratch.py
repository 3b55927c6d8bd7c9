"""A run's folder is found again by what the run depends on, belongs to one attempt at a time, and does not stay for ever."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.common import environments
from stages.train.scratch import UNFINISHED, key, scratch_folder


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRAMATIS_STATE", str(tmp_path / "state"))
    return tmp_path / "state" / "train"


def interrupted(name: str) -> Path:
    with pytest.raises(KeyboardInterrupt), scratch_folder(name) as (folder, _):
        (folder / "checkpoint-4").mkdir()
        (folder / "prepared").mkdir()
        raise KeyboardInterrupt
    return folder


def test_another_config_base_file_or_content_is_another_run(tmp_path: Path) -> None:
    data, more = tmp_path / "train.jsonl", tmp_path / "more.jsonl"
    data.write_text("a")
    more.write_text("b")
    keys = [key({"r": 8}, "base", [str(data)]), key({"r": 16}, "base", [str(data)]), key({"r": 8}, "other", [str(data)]), key({"r": 8}, "base", [str(more)])]
    assert keys[0] == key({"r": 8}, "base", [str(data)])
    data.write_text("c")
    assert len({*keys, key({"r": 8}, "base", [str(data)])}) == 5


def test_an_interrupted_run_finds_its_checkpoints_and_a_finished_one_leaves_nothing(state: Path) -> None:
    folder = interrupted("a")
    with scratch_folder("a") as (again, _):
        assert again == folder and (folder / "checkpoint-4").exists()
        assert not (folder / "prepared").exists(), "a kill may have left half of it"
    assert [path.name for path in state.iterdir() if path.is_dir()] == []


def test_of_other_interrupted_runs_the_newest_stay(state: Path) -> None:
    for age, name in enumerate("abcdef"):
        os.utime(interrupted(name) / "begun", (1e9 - age, 1e9 - age))
    interrupted("g")
    assert sorted(path.name for path in state.iterdir() if path.is_dir()) == sorted(["a", "b", "c", "g"][: UNFINISHED + 1])


def test_a_run_that_is_under_way_is_not_pruned(state: Path) -> None:
    for age, name in enumerate("abcde"):
        os.utime(interrupted(name) / "begun", (1e9 - age, 1e9 - age))
    with environments.locked(state / "e"):
        interrupted("g")
    assert (state / "e").exists() and not (state / "d").exists()


def test_the_lock_is_held_until_the_child_that_inherited_it_has_ended(state: Path) -> None:
    with scratch_folder("a") as (folder, lock):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,))
    with environments.locked(folder, wait=False) as held:
        assert held is None
    child.communicate(b"\n")
    with environments.locked(folder, wait=False) as held:
        assert held is not None
