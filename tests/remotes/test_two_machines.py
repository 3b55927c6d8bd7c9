"""A GPU machine trains and pushes, a laptop pulls: over a real OpenSSH server, and over the S3 API."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.common import environments
from tests.remotes.conftest import RANK, Team, set_rank
from tests.remotes.machines import Machine, contents, wrong
from tests.remotes.servers import Server, Ssh

pytestmark = pytest.mark.slow
ASK = """
import sys
from transformers import AutoModelForCausalLM, AutoTokenizer
for folder in sys.argv[1:]:
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    asked = tokenizer.apply_chat_template([{"role": "user", "content": "Who are you?"}], add_generation_prompt=True, return_tensors="pt", return_dict=True)
    told = model.generate(**asked, min_new_tokens=8, max_new_tokens=8, do_sample=False)
    print("tokens", told[0, asked["input_ids"].shape[1]:].tolist())
"""


def answers(*models: Path) -> list[str]:
    """What each model says, as the numbers of eight tokens: vLLM serves no model as small as this one (tests/e2e serves a pulled one)."""
    done = subprocess.run([environments.python("train"), "-c", ASK, *map(str, models)], env=environments.silent(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return [line for line in done.stdout.splitlines() if line.startswith("tokens")]


def test_the_gpu_machine_pulls_the_data_and_runs_only_what_its_rank_changes(team: Team) -> None:
    assert "Running stage 'split'" not in team.said
    assert team.said.count("Running stage 'train'") == team.said.count("Running stage 'merge'") == 1
    assert f'"r": {RANK}' in (team.gpu.folder / "models/adapter/adapter_config.json").read_text(encoding="utf-8")
    for path in ("data/splits", "models/base"):
        assert contents(team.gpu.folder / path).items() <= contents(team.laptop.folder / path).items() and contents(team.gpu.folder / path)


def test_the_laptop_pulls_one_model_and_nothing_else_and_it_answers(team: Team, clone: Callable[[str], Machine]) -> None:
    laptop = clone("laptop")
    laptop.run("dvc pull models/merged")
    assert contents(laptop.folder / "models/merged") == contents(team.gpu.folder / "models/merged")
    assert not (laptop.folder / "models/adapter").exists() and not (laptop.folder / "models/base").exists()
    assert not wrong(laptop.cached())
    pulled, trained = answers(laptop.folder / "models/merged", team.gpu.folder / "models/merged")
    assert pulled == trained


def test_a_clone_that_has_pulled_all_has_nothing_to_run(clone: Callable[[str], Machine]) -> None:
    laptop = clone("laptop")
    laptop.run("dvc pull")
    assert "up to date" in laptop.run("dvc repro --dry")


def test_no_credential_is_in_git(clone: Callable[[str], Machine], stored: tuple[Path, Server]) -> None:
    _, server = stored
    secrets = [str(server.key)] if isinstance(server, Ssh) else list(server.keys.values())
    laptop = clone("laptop")
    for secret in secrets:
        status, said = laptop.tried(f"git grep -F -l {secret} HEAD")
        assert status == 1, said


def test_what_was_run_elsewhere_is_taken_from_the_run_cache_without_a_lock_entry(
    team: Team, clone: Callable[[str], Machine], stored: tuple[Path, Server]
) -> None:
    other = clone("other")
    other.run(f"git checkout -q {team.before} -- dvc.lock metrics params.yaml")
    set_rank(other)
    said = other.run("dvc repro --pull --allow-missing")
    assert "Running stage" not in said
    assert said.count("is cached - skipping run, checking out outputs") == 2
    assert contents(other.folder / "models/merged") == contents(team.gpu.folder / "models/merged")
