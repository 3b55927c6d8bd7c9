"""deploy/: that the files parse, that what they run is there, that they hold no secret and open no port. (No GPU, cloud or Docker here.)"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tools.serve.__main__ import arguments as serve_arguments
from tools.setup import ON_GPU, pinned

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
FILES = sorted(path.name for path in DEPLOY.iterdir())
SKY, COMPOSE = (YAML(typ="safe", pure=True).load(DEPLOY / name) for name in ("sky.yaml", "docker-compose.yaml"))
STAGES = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]
PULLED = ["repro", "--pull", "--allow-missing"]


def text(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def commands(name: str) -> str:
    """A file without its comments."""
    return re.sub(r"(^|\s)#.*", "", text(name))


def asked_of_dvc(folder: Path, *arguments: str) -> list[list[str]]:
    """What deploy/repro.sh calls dvc with, before it CUDA_VISIBLE_DEVICES, with a dvc that only writes it down."""
    stub = folder / "dvc"
    stub.write_text('#!/bin/sh\necho "${CUDA_VISIBLE_DEVICES-all} $*" >> "$CALLED"\n')
    stub.chmod(0o755)
    called = folder / "called"
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "CALLED": str(called)}
    subprocess.run(["sh", DEPLOY / "repro.sh", *arguments], env=environment, check=True)
    return [line.split(" ") for line in called.read_text().splitlines()]


def test_data_stages_are_pulled_and_merge_computes_on_the_processor(tmp_path: Path) -> None:
    assert asked_of_dvc(tmp_path) == [["all", *PULLED, "evaluate"], ["", *PULLED, "merge"]]
    assert {"evaluate", "merge"} <= set(STAGES)


def test_where_only_training_fits_nothing_follows_it(tmp_path: Path) -> None:
    assert asked_of_dvc(tmp_path, "train") == [["all", *PULLED, "train"]]
    assert "train" in STAGES


def test_a_stage_that_fails_ends_the_script(tmp_path: Path) -> None:
    (tmp_path / "dvc").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "dvc").chmod(0o755)
    assert subprocess.run(["sh", DEPLOY / "repro.sh"], env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}).returncode == 3


def test_the_sky_task_runs_what_is_there() -> None:
    script = SKY["setup"] + SKY["run"]
    assert subprocess.run(["sh", "-n"], input=script, text=True).returncode == 0
    assert re.findall(r"^make (\w+)", script, re.M) == ["setup"] and re.search(r"^setup:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert re.findall(r"^sh (\S+)", script, re.M) == ["deploy/repro.sh"]
    assert SKY["envs"]["UNTIL"] in STAGES
    assert set(re.findall(r"\$(\w+)", script)) <= {"PWD", "PATH", *SKY["envs"]}
    assert set(SKY) == {"name", "workdir", "resources", "envs", "secrets", "setup", "run"}


def test_the_composed_service_runs_what_is_there() -> None:
    service = COMPOSE["services"]["repro"]
    assert DEPLOY.joinpath(service["build"]["context"]).resolve() == ROOT
    assert (ROOT / service["build"]["dockerfile"]).exists()
    assert service["command"] == ["sh", "deploy/repro.sh"]
    mounted = [volume.split(":") for volume in service["volumes"]]
    assert {source for source, _ in mounted if source != ".."} == set(COMPOSE["volumes"])
    assert re.findall(r"^WORKDIR (\S+)", text("Dockerfile"), re.M)[-1] == next(target for source, target in mounted if source == "..")
    assert {"ports", "expose", "network_mode", "privileged"} & set(service) == set()


def test_the_model_is_served_by_the_locked_vllm_behind_the_front_and_nothing_can_be_written() -> None:
    engine, front = COMPOSE["services"]["engine"], COMPOSE["services"]["front"]
    assert engine["image"] == f"vllm/vllm-openai:v{pinned(ROOT / 'requirements/serve-cuda.txt')['vllm']}"
    assert "ports" not in engine and engine["networks"] == ["inside"] and COMPOSE["networks"]["inside"] == {"internal": True}
    assert front["ports"] == ["127.0.0.1:8000:8000"] and front["depends_on"] == {"engine": {"condition": "service_healthy"}}
    for service in (engine, front):
        assert service["read_only"] and service["healthcheck"]["test"][0] == "CMD" and service["cap_drop"] == ["ALL"]
        assert all(volume.endswith(":ro") for volume in service["volumes"])
    assert front["command"][:3] == ["python", "-m", "tools.serve"]
    serve_arguments(front["command"][3:])


def test_the_image_holds_the_environments_for_a_gpu_where_the_stages_look_for_them() -> None:
    installed = re.findall(r"python -m venv (\S+) && \S+ -m pip install \S+ --no-deps --requirement (\S+)", text("Dockerfile"))
    assert installed == [(one.folder, one.lock) for one in ON_GPU]
    assert set(re.findall(r"^COPY (\S+)", text("Dockerfile"), re.M)) == {one.lock for one in ON_GPU}
    kept = [line[1:].rstrip("/") for line in text("Dockerfile.dockerignore").splitlines() if line.startswith("!")]
    assert all(any(one.lock == name or one.lock.startswith(f"{name}/") for name in kept) for one in ON_GPU)


def test_secrets_come_from_the_environment_alone() -> None:
    assert set(SKY["secrets"].values()) == {""}
    services = COMPOSE["services"]
    assert all(re.fullmatch(r"[A-Z_]+", name) for name in services["repro"]["environment"])
    assert all(value == "1" for value in services["engine"]["environment"].values())
    assert services["front"]["environment"]["DRAMATIS_API_KEY"].startswith("${DRAMATIS_API_KEY:?") and len(services["front"]["environment"]) == 1
    named = re.compile(r"TOKEN|KEY|SECRET|PASSWORD")
    assert [name for name in SKY["envs"] if named.search(name)] == []
    assert re.search(r"^(ARG|ENV).*(TOKEN|KEY|SECRET|PASSWORD)", text("Dockerfile"), re.M) is None


@pytest.mark.parametrize("name", FILES)
def test_no_file_names_a_host_or_a_place_of_one_machine(name: str) -> None:
    assert re.search(r"\w\.(com|org|io|net|dev|ai|cloud)\b|https?://(?!engine:|127\.0\.0\.1:)|0\.0\.0\.0(?!] # of the container)|/home/|/root/|/Users/", text(name)) is None
