"""Pickles that would write a file if they were opened, in every place where weights and states of a training are looked for: none is opened."""

from __future__ import annotations

import json
import pickle
import shutil
import time
from pathlib import Path

import pytest
import torch

from stages.common.checkpoints import mark
from stages.common.errors import UserError
from stages.train.__main__ import newest
from stages.weights.models import open_model
from tests.bomb import Bomb
from tests.weights.test_interruption import STEPS, Run

CODE = """
from pathlib import Path
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
Path({marker!r}).touch()
class Config(LlamaConfig):
    pass
class Model(LlamaForCausalLM):
    pass
class Words(PreTrainedTokenizerFast):
    pass
"""


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """The file that stands for what a stranger's code does."""
    return tmp_path / "opened"


def plant(file: Path, marker: Path) -> None:
    """As torch writes it, or as pickle alone does."""
    torch.save({"state": Bomb(marker)}, file)


def without_weights(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("*.safetensors"))
    return target


def test_the_bomb_goes_off_where_it_is_opened(marker: Path, tmp_path: Path) -> None:
    plant(tmp_path / "bomb", marker)
    torch.load(tmp_path / "bomb", weights_only=False)
    assert marker.exists()
    marker.rmdir()
    pickle.loads(pickle.dumps(Bomb(marker)))
    assert marker.exists()


def test_a_base_with_pickled_weights_alone_is_not_opened(base: Path, marker: Path, tmp_path: Path) -> None:
    folder = without_weights(base, tmp_path / "base")
    plant(folder / "pytorch_model.bin", marker)
    with pytest.raises(OSError, match="safetensors"):
        open_model(str(folder))
    assert not marker.exists()


def test_an_adapter_with_pickled_weights_alone_is_refused_though_they_hold_nothing_but_weights(base: Path, adapter: Path, marker: Path, tmp_path: Path) -> None:
    folder = without_weights(adapter, tmp_path / "adapter")
    for content in ({"state": Bomb(marker)}, {"weight": torch.zeros(2)}):
        torch.save(content, folder / "adapter_model.bin")
        with pytest.raises(UserError, match="no adapter_model.safetensors"):
            open_model(str(base), str(folder))
        assert not marker.exists()


def test_code_that_lies_beside_the_weights_is_not_run(base: Path, marker: Path, tmp_path: Path) -> None:
    folder = tmp_path / "base"
    shutil.copytree(base, folder)
    with_code(folder, marker)
    assert type(open_model(str(folder))).__name__ == "LlamaForCausalLM"
    assert not marker.exists()


def with_code(folder: Path, marker: Path) -> None:
    """Name code of the folder's own as its model's and its tokenizer's, as `trust_remote_code` would have it run."""
    (folder / "own.py").write_text(CODE.format(marker=str(marker)))
    for name, classes in (
        ("config.json", {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}),
        ("tokenizer_config.json", {"AutoTokenizer": ["own.Words", "own.Words"]}),
    ):
        file = folder / name
        file.write_text(json.dumps(json.loads(file.read_text()) | {"auto_map": classes}))


@pytest.fixture(scope="module")
def interrupted(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training that was killed once it had saved, of a base that brings code of its own."""
    folder = tmp_path_factory.mktemp("planted")
    shutil.copytree(base, folder / "base")
    with_code(folder / "base", folder / "opened")
    run = Run(folder / "base", folder / "run")
    process = run.begin()
    while not list(run.folder.glob("checkpoint-*/whole.json")):
        run.wait_for(1, process)
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert not (folder / "opened").exists(), "the base's own code was run"
    return run


@pytest.mark.parametrize("name", ["rng_state.pth", "optimizer.pt"])
def test_a_pickle_planted_into_a_checkpoint_is_not_opened_on_resume(name: str, interrupted: Run, marker: Path, tmp_path: Path) -> None:
    run = Run(interrupted.base, tmp_path / "run")
    shutil.copytree(interrupted.folder, run.folder, dirs_exist_ok=True)
    checkpoint = newest(run.folder)
    assert checkpoint and (checkpoint / name).exists()
    plant(checkpoint / name, marker)
    mark(checkpoint)  # whoever can write there can write this too
    assert newest(run.folder) == checkpoint
    assert run.begin().wait(timeout=300) != 0
    assert "Weights only load failed" in (run.folder / "log.txt").read_text()
    assert not marker.exists() and not (run.folder / f"checkpoint-{STEPS}").exists()


def test_a_file_of_a_checkpoint_that_is_not_what_was_written_is_not_gone_on_from(interrupted: Run, marker: Path, tmp_path: Path) -> None:
    shutil.copytree(interrupted.folder, tmp_path / "run")
    checkpoint = newest(tmp_path / "run")
    size = (checkpoint / "rng_state.pth").stat().st_size
    content = pickle.dumps(Bomb(marker))
    (checkpoint / "rng_state.pth").write_bytes(content + b"\0" * (size - len(content)))
    assert newest(tmp_path / "run") != checkpoint and not checkpoint.exists()
