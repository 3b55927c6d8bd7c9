"""The real run over SSH: what was trained here is pushed, and a laptop that has git and the remote pulls one model and serves it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from stages.common import base_models
from stages.common.inference_server import post, serve
from tests.remotes.machines import Machine, contents, wrong
from tests.remotes.servers import Ssh, ssh_remote  # noqa: F401

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def laptop(clone, ssh_remote: Ssh, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:  # noqa: F811
    """A clone of a repository whose run has been pushed; the cache that was pushed from is the one in which the run lies."""
    home = tmp_path_factory.mktemp("remote")
    gpu = Machine.cloned(home / "gpu", clone.folder)
    for command in (f"dvc cache dir --local {clone.folder / '.dvc/cache'}", *ssh_remote.commands()):
        gpu.run(command)
    gpu.commit("remote")
    gpu.run("dvc push")
    yield Machine.cloned(home / "laptop", gpu.folder, ssh_remote)
    shutil.rmtree(home)


def test_a_laptop_pulls_the_merged_model_over_ssh_and_serves_it(laptop: Machine) -> None:
    laptop.run("dvc pull models/merged")
    merged = laptop.folder / "models/merged"
    assert not (laptop.folder / "models/base").exists() and not wrong(laptop.cached())
    with serve(merged, "merged", merged / "chat_template.jinja", seed=1, cache=1) as url:
        asked = {"model": "merged", "messages": [{"role": "user", "content": "Who are you?"}], "max_tokens": 16, "temperature": 0}
        told = post(f"{url}/chat/completions", asked)["choices"][0]["message"]["content"]
    assert told.strip()


def test_the_base_travels_with_its_weights_where_they_come_from_a_wheel(laptop: Machine, clone) -> None:
    laptop.run("dvc pull models/base")
    base = laptop.folder / "models/base"
    assert contents(base) == contents(clone.folder / "models/base")
    assert base_models.weights_folder(base) == base and list(base.glob("*.safetensors"))
