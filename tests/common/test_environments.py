"""Which interpreter runs what, where the machine's own state lies, and what no child process may do."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.common import environments
from stages.common.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def beside(folder: Path, name: str) -> Path:
    """An executable where `.venv-NAME` has its interpreter."""
    path = folder / f".venv-{name}" / "bin" / "python"
    path.parent.mkdir(parents=True)
    path.symlink_to(sys.executable)
    return path


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A main checkout whose `.venv` runs."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    for name in ("DRAMATIS_TRAIN_PYTHON", "DRAMATIS_SERVE_PYTHON", "DRAMATIS_STATE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize("name", ["train", "serve"])
def test_the_interpreter_is_the_one_beside_the_running_environment(checkout: Path, name: str) -> None:
    for each in ("train", "serve"):
        beside(checkout, each)
    assert environments.python(name) == str(checkout / f".venv-{name}" / "bin" / "python")


@pytest.mark.parametrize("name", ["train", "serve"])
def test_the_variable_wins_over_the_folder_and_only_for_its_own_environment(checkout: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for each in ("train", "serve"):
        beside(checkout, each)
    monkeypatch.setenv(f"DRAMATIS_{name.upper()}_PYTHON", sys.executable)
    other = {"train": "serve", "serve": "train"}[name]
    assert environments.python(name) == sys.executable
    assert environments.python(other) == str(checkout / f".venv-{other}" / "bin" / "python")


def test_an_empty_variable_counts_as_none(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAMATIS_TRAIN_PYTHON", "")
    folder = beside(checkout, "train")
    assert environments.python("train") == str(folder)


def test_a_missing_interpreter_gets_one_sentence_with_the_place_and_both_remedies(checkout: Path) -> None:
    with pytest.raises(UserError) as failure:
        environments.python("serve")
    said = str(failure.value)
    assert said == f"no interpreter for 'serve' at {checkout}/.venv-serve/bin/python: run `make setup`, or set DRAMATIS_SERVE_PYTHON"


def test_a_variable_that_names_no_file_is_not_passed_over_in_silence(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside(checkout, "train")
    monkeypatch.setenv("DRAMATIS_TRAIN_PYTHON", str(checkout / "nowhere"))
    with pytest.raises(UserError, match="no interpreter for 'train' at .*/nowhere"):
        environments.python("train")


def test_a_copy_of_the_project_elsewhere_finds_environments_and_state_of_the_main_checkout(tmp_path: Path) -> None:
    """As `dvc exp run --temp` works: another folder, the same interpreter."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DRAMATIS_")} | {"PYTHONPATH": str(ROOT)}
    code = "from stages.common import environments; print(environments.checkout())"
    main = tmp_path / "main"
    (main / ".venv" / "bin").mkdir(parents=True)
    (main / ".venv" / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    (main / ".venv" / "pyvenv.cfg").write_text(f"home = {Path(os.path.realpath(sys.executable)).parent}\n")
    copy = tmp_path / "copy"
    copy.mkdir()
    done = subprocess.run([str(main / ".venv/bin/python"), "-c", code], cwd=copy, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(main)


def test_the_machines_state_lies_beside_the_environment_or_where_the_variable_says(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert environments.state("logs", "old") == checkout / ".dramatis" / "logs" / "old"
    assert (checkout / ".dramatis" / "logs" / "old").is_dir()
    monkeypatch.setenv("DRAMATIS_STATE", str(checkout / "elsewhere"))
    assert environments.state("logs") == checkout / "elsewhere" / "logs"


HOLDER = """
import sys, time
from pathlib import Path
from stages.common import environments
with environments.locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(300)
"""


def test_one_at_a_time_holds_the_lock_of_a_thing_and_another_thing_is_free(checkout: Path) -> None:
    """flock(2) lets go when its holder is killed: nobody waits for the dead."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(checkout / "model")], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        with environments.locked(checkout / "another"):
            pass
        with open(checkout / "model.lock") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        process.kill()
        process.communicate()
    with environments.locked(checkout / "model"):
        pass


def test_scratch_is_a_runs_own_and_gone_after_it_even_when_it_fails(checkout: Path) -> None:
    with pytest.raises(RuntimeError), environments.scratch("merge") as one, environments.scratch("merge") as other:
        assert one != other and one.is_dir() and other.is_dir()
        assert one.parent == checkout / ".dramatis" / "scratch"
        (one / "big.bin").write_bytes(b"x")
        raise RuntimeError
    assert list((checkout / ".dramatis" / "scratch").iterdir()) == []


def test_scratch_of_a_killed_run_goes_with_the_next_and_that_of_a_living_one_stays(checkout: Path) -> None:
    """kill -9 of merge or answer left a folded model there for ever."""
    holder = "import sys; from stages.common import environments\nwith environments.scratch(sys.argv[1]) as folder: print(folder, flush=True); sys.stdin.read()"
    variables = {**os.environ, "DRAMATIS_STATE": str(checkout / ".dramatis")}
    runs = [
        subprocess.Popen([sys.executable, "-c", holder, name], cwd=ROOT, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in ("killed", "living")
    ]
    try:
        killed, living = (Path(run.stdout.readline().strip()) for run in runs)
        (killed / "model.safetensors").write_bytes(b"x" * 4096)
        runs[0].kill()
        runs[0].wait()
        assert killed.is_dir() and living.is_dir()
        with environments.scratch("next") as mine:
            assert set(mine.parent.iterdir()) == {living, mine}
    finally:
        for run in runs:
            run.kill()
            run.communicate()


SWITCHES = {
    "AXOLOTL_DO_NOT_TRACK": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "WANDB_MODE": "disabled",
}


def test_a_child_reports_nothing_home_even_where_the_caller_allowed_it(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SWITCHES:
        monkeypatch.setenv(name, "0")
    environment = environments.silent()
    command = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout)
    assert {name: seen[name] for name in SWITCHES} == SWITCHES


@pytest.mark.parametrize(("said", "seen"), [(None, "1"), ("0", "0"), ("1", "1")])
def test_a_child_is_offline_unless_the_caller_says_otherwise(checkout: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, seen: str) -> None:
    if said:
        monkeypatch.setenv("HF_HUB_OFFLINE", said)
    assert environments.silent()["HF_HUB_OFFLINE"] == seen


def test_a_child_keeps_the_callers_environment_and_gets_what_is_asked_for_on_top(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", "/mnt/models")
    environment = environments.silent(OMP_NUM_THREADS="2", HF_HUB_OFFLINE="0")
    assert (environment["HF_HOME"], environment["OMP_NUM_THREADS"], environment["HF_HUB_OFFLINE"]) == ("/mnt/models", "2", "0")
    assert environment["PATH"] == os.environ["PATH"]


def test_a_machine_without_nvidia_smi_or_with_one_that_fails_has_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environments.has_gpu() is False
    for status, found in ((9, False), (0, True)):
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\nexit {status}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
        assert environments.has_gpu() is found
