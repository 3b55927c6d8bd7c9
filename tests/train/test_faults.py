"""`python -m stages.train` with what goes wrong in a user's hands: one sentence each, not 0, and models/adapter and the metrics as they were."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from stages.common import guard
from tests.project import Project, project
from tests.tiny_base import chat, describe, tiny_base, trainable

__all__ = ["project", "tiny_base"]  # pytest finds fixtures by their names here

EARLIER = {"models/adapter/adapter_config.json": "{}", "metrics/train.json": "{}"}


class Stage:
    """The train stage at work in a project, with an earlier adapter in its place."""

    def __init__(self, project: Project, state: Path):
        self.project = project
        for path, text in EARLIER.items():
            project.write(path, text)
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHASHSEED")}
        self.state = state
        self.process = subprocess.Popen(
            [sys.executable, "-m", "stages.train"],
            cwd=project.folder,
            env={**environment, "DRAMATIS_STATE": str(state), "PYTHONPATH": str(project.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def error(self) -> str:
        """The one sentence with which it ends; whatever else it says must be the bar's."""
        _, told = self.process.communicate(timeout=600)
        assert "Traceback" not in told, told[-3000:]
        assert self.process.returncode == 1, told[-3000:]
        last = told.strip().splitlines()[-1]
        assert last.startswith("error: "), told[-3000:]
        kept = {path: (self.project.folder / path).read_text() for path in EARLIER}
        assert kept == EARLIER
        assert sorted(path.name for path in (self.project.folder / "models").iterdir()) == ["adapter", "base"]
        return last.removeprefix("error: ")

    def worker(self) -> int:
        """The process that trains, once it has saved a checkpoint."""
        while not list(self.state.glob("train/*/checkpoint-*/whole.json")):
            assert self.process.poll() is None, self.process.stderr.read()[-3000:]
            time.sleep(0.05)
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in guard.descendants(self.process.pid)}
        return max(pid for pid, command in commands.items() if b"axolotl.cli.train" in command and b"accelerate" not in command)


@contextmanager
def disk(folder: Path, size: str) -> Iterator[Path]:
    """A small disk of its own."""
    folder.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("a small disk needs the right to mount one")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def no_number(folder: Path, name: str) -> None:
    """Put a NaN into a bfloat16 tensor of models/base."""
    file = folder / "model.safetensors"
    content = bytearray(file.read_bytes())
    header = 8 + int.from_bytes(content[:8], "little")
    start = json.loads(content[8:header])[name]["data_offsets"][0]
    content[header + start : header + start + 2] = b"\xc0\x7f"
    file.write_bytes(content)
    describe(folder)


# A plugin of Axolotl's that wants more memory than there is when the model has been loaded.
GREEDY = """
import torch
from axolotl.integrations.base import BasePlugin
class Greedy(BasePlugin):
    def post_model_load(self, cfg, model):
        torch.empty(2**44)
"""


def on_a_full_disk(project: Project, folder: Path) -> str:
    with disk(folder / "state", "900k") as state:  # a checkpoint has 250 kB, what comes before it 400
        return Stage(project, state).error()


def with_a_broken_base(project: Project, folder: Path) -> str:
    no_number(project.folder / "models/base", "model.layers.1.self_attn.v_proj.weight")
    return Stage(project, folder / "state").error()


def without_memory(project: Project, folder: Path) -> str:
    project.write("greedy.py", GREEDY)
    project.set("axolotl", {"plugins": ["greedy.Greedy"]})
    return Stage(project, folder / "state").error()


def killed(project: Project, folder: Path) -> str:
    stage = Stage(project, folder / "state")
    os.kill(stage.worker(), signal.SIGKILL)
    return stage.error()


def misspelt(project: Project, folder: Path) -> str:
    project.set("axolotl", {"loraplus_lr_ration": 16})
    return Stage(project, folder / "state").error()


@pytest.fixture(scope="module")
def told(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Callable, str]:
    """What each death is said to be. Two at a time: each takes a while to import Axolotl."""

    def die(death: Callable[[Project, Path], str]) -> str:
        folder = tmp_path_factory.mktemp(death.__name__)
        return death(trainable(Project(folder / "project"), tiny_base), folder)

    deaths = (on_a_full_disk, with_a_broken_base, without_memory, killed, misspelt)
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(deaths, pool.map(die, deaths), strict=True))


@pytest.mark.slow
def test_a_full_disk_is_named_with_the_folder_on_it(told: dict[Callable, str]) -> None:
    assert told[on_a_full_disk].startswith("training did not finish: the disk is full (0 MiB are free): make room on it, or set DRAMATIS_STATE")
    assert "state/train/" in told[on_a_full_disk]


@pytest.mark.slow
def test_a_base_that_has_a_weight_which_is_no_number_is_refused_with_the_weights_name(told: dict[Callable, str]) -> None:
    begins = "the base model is broken: model.layers.1.self_attn.v_proj.weight has 1 of 512 values that are NaN or infinite, in models/base"
    assert told[with_a_broken_base].startswith(begins)


@pytest.mark.slow
def test_a_machine_without_memory_says_how_much_was_held_and_wanted_and_what_to_lower(told: dict[Callable, str]) -> None:
    assert f"and wanted {2**46 >> 20} MiB more): lower micro_batch_size" in told[without_memory]
    assert int(told[without_memory].partition("held up to ")[2].partition(" MiB")[0]) > 100


@pytest.mark.slow
def test_a_killed_process_is_said_to_be_one_and_where_the_next_run_goes_on(told: dict[Callable, str]) -> None:
    assert told[killed].startswith("training did not finish: it was killed by the kernel (SIGKILL), most likely for want of memory (training held up to ")
    assert "; with the same settings the next run goes on from step " in told[killed]


@pytest.mark.slow
def test_a_misspelt_key_is_refused_before_anything_is_loaded(told: dict[Callable, str]) -> None:
    assert told[misspelt].endswith("did you mean loraplus_lr_ratio?")


def refused(project: Project, tiny_base: Path, tmp_path: Path, break_it: Callable[[Path], object]) -> str:
    break_it(trainable(project, tiny_base).folder)
    return Stage(project, tmp_path / "state").error()


LINE = json.dumps(chat(1))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (f"{LINE}\n{LINE[:40]}\n".encode(), "data/splits/train.jsonl:2: not JSON: "),
        (f"{LINE}\n".encode() + b'{"id": "\xff"}\n', "data/splits/train.jsonl:2: not UTF-8: byte 0xff"),
        (f'{LINE}\n\n{{"id": "x"}}\n'.encode(), "data/splits/train.jsonl:3: "),
        (LINE.replace('"human"', '"gpt"', 1).encode(), "data/splits/train.jsonl:1: conversations: system, gpt, gpt, human, gpt, not system first"),
        (b"", "data/splits/train.jsonl: no chats in it; expected at least one"),
    ],
)
def test_a_corrupt_training_file_is_refused_with_file_and_line(project: Project, tiny_base: Path, tmp_path: Path, content: bytes, found: str) -> None:
    assert refused(project, tiny_base, tmp_path, lambda folder: (folder / "data/splits/train.jsonl").write_bytes(content)).startswith(found)


@pytest.mark.parametrize(
    ("break_it", "found"),
    [
        (lambda file: os.truncate(file, 100), "models/base/model.safetensors has 100 bytes; models/base/manifest.json says "),
        (lambda file: file.unlink(), "models/base/model.safetensors is missing; models/base/manifest.json says "),
    ],
)
def test_a_truncated_or_missing_weight_file_is_refused(project: Project, tiny_base: Path, tmp_path: Path, break_it: Callable, found: str) -> None:
    assert refused(project, tiny_base, tmp_path, lambda folder: break_it(folder / "models/base/model.safetensors")).startswith(found)


def test_a_combination_that_cannot_be_is_refused_before_axolotl_is_started(project: Project, tiny_base: Path, tmp_path: Path) -> None:
    told = refused(project, tiny_base, tmp_path, lambda _: project.set("axolotl", {"peft_use_dora": True}))
    assert told == "params.yaml: axolotl.peft_use_dora is true: vLLM serves no DoRA adapter; leave it out"
    assert not (tmp_path / "state").exists()


def test_a_project_on_a_full_disk_keeps_its_adapter(project: Project, tmp_path: Path) -> None:
    """The adapter is written beside its place: where there is no room for it, the old one stays."""
    code = """
import shutil, sys
from pathlib import Path
from stages.common.errors import run
from stages.train.__main__ import keep
run(lambda: keep(Path(sys.argv[1]), {}))
"""
    checkpoint = tmp_path / "checkpoint-3"
    checkpoint.mkdir()
    (checkpoint / "adapter_model.safetensors").write_bytes(os.urandom(500_000))
    with disk(tmp_path / "small", "300k") as small:
        (small / "models/adapter").mkdir(parents=True)
        (small / "models/adapter/adapter_config.json").write_text("{}")
        shutil.copytree(project.folder / "models/base", small / "models/base")
        done = subprocess.run(
            [sys.executable, "-c", code, str(checkpoint)], cwd=small, env={**os.environ, "PYTHONPATH": str(project.folder)}, capture_output=True, text=True
        )
        assert done.returncode == 1 and "the disk is full (No space left on device): make room on it and run again" in done.stderr, done.stderr
        assert done.stderr.startswith("error: models/") and done.stderr.count("\n") == 1
        assert sorted(path.name for path in (small / "models").iterdir()) == ["adapter", "base"]
        assert (small / "models/adapter/adapter_config.json").read_text() == "{}"
