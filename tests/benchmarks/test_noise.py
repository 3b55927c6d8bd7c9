"""The noise floor, on a real DVC project whose training takes no time: three experiments that only the seed tells apart, and what is written of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import ROOT

PIPELINE = """
stages:
  train:
    cmd: python train.py
    deps: [train.py]
    params: [seed]
    metrics: [{metrics/train.json: {cache: false}}]
  evaluate:
    cmd: python evaluate.py
    deps: [evaluate.py, metrics/train.json]
    params: [evaluate.seed]
    metrics: [{metrics/evaluate.json: {cache: false}}]
  merge:
    cmd: echo merge must not run && exit 1
    deps: [metrics/train.json]
"""
TRAIN = """
import json, re
from pathlib import Path
seed = int(re.search(r"^seed: (\\d+)", Path("params.yaml").read_text(), re.M).group(1))
Path("metrics").mkdir(exist_ok=True)
Path("metrics/train.json").write_text(json.dumps({"eval_loss": 4 + {42: 0.0, 43: 0.3, 44: 0.1}[seed], "seconds": seed}))
"""
EVALUATE = """
import json
from pathlib import Path
loss = json.loads(Path("metrics/train.json").read_text())["eval_loss"]
Path("metrics/evaluate.json").write_text(json.dumps({"tuned.perplexity": 10 * loss, "tuned.perplexity_lower": 1, "tuned.perplexity_upper": 99, "test.chats": 32}))
"""


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def noise(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(folder, sys.executable, "-m", "benchmarks.noise", *arguments)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose pipeline has run once, with the first seed."""
    folder = tmp_path_factory.mktemp("noise")
    files = {"dvc.yaml": PIPELINE, "train.py": TRAIN, "evaluate.py": EVALUATE, "params.yaml": "seed: 42\nevaluate: {seed: 5}\n"}
    for name, content in files.items():
        (folder / name).write_text(content)
    for command in (
        "git init -q",
        "git config user.email t@example.org",
        "git config user.name t",
        "dvc init -q",
        "dvc repro evaluate",
        "git add -A",
        "git commit -qm first",
    ):
        done = run(folder, *command.split())
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_three_seeds_are_run_as_experiments_and_their_spread_is_written_with_command_and_commit(project: Path) -> None:
    done = noise(project)
    assert done.returncode == 0, done.stderr + done.stdout
    found = json.loads((project / "benchmarks/noise.json").read_text())
    assert found["seeds"] == [42, 43, 44]
    assert found["command"] == "python -m benchmarks.noise --seeds 42 43 44"
    assert found["commit"] == run(project, "git", "rev-parse", "HEAD").stdout.strip()
    loss, perplexity = found["metrics"]["metrics/train.json"]["eval_loss"], found["metrics"]["metrics/evaluate.json"]["tuned.perplexity"]
    assert loss == {"values": [4, 4.3, 4.1], "mean": pytest.approx(4.133333), "deviation": pytest.approx(0.152753), "range": pytest.approx(0.3)}
    assert perplexity["range"] == pytest.approx(3)
    # Neither what the machine's clock says nor the ends of intervals.
    assert set(found["metrics"]["metrics/train.json"]) == {"eval_loss"} and set(found["metrics"]["metrics/evaluate.json"]) == {"tuned.perplexity", "test.chats"}
    assert set(run(project, "dvc", "exp", "list", "--name-only").stdout.split()) >= {"noise-43", "noise-44"}

    again = noise(project, "--seeds", "43", "44")
    assert again.returncode == 0, again.stderr
    assert json.loads((project / "benchmarks/noise.json").read_text())["metrics"]["metrics/train.json"]["eval_loss"]["values"] == [4.3, 4.1]
    assert "Running stage" not in again.stdout  # both have run before: the run-cache has them


@pytest.mark.slow
def test_one_seed_and_uncommitted_changes_are_refused_in_one_sentence(project: Path) -> None:
    done = noise(project, "--seeds", "42", "42")
    assert (done.returncode, done.stderr) == (1, "error: --seeds 42 42: expected two seeds or more, each once\n")
    (project / "train.py").write_text(TRAIN + "\n")
    done = noise(project)
    (project / "train.py").write_text(TRAIN)
    assert (done.returncode, done.stderr) == (1, "error: uncommitted changes (train.py): commit first, for the figures name the commit that they are of\n")
