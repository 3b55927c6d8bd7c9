"""Which processes train, by which command, and what is refused before anything starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from stages.common.errors import UserError
from stages.common.params import load
from stages.train.axolotl import lost
from stages.train.launch import Launch, cpu_settings, gpus, launch

ROOT = Path(__file__).resolve().parents[2]
CONFIG = Path("/scratch/run/axolotl.yaml")
HOST = {"PET_NODE_RANK": "1", "PET_MASTER_ADDR": "10.0.0.1"}


def params(**changed: Any) -> dict:
    own = load("train", ROOT)
    return {name: own[name] for name in own} | {name.replace("__", "."): value for name, value in changed.items()}


def asked(count: int = 0, environ: dict[str, str] | None = None, **changed: Any) -> Launch:
    return launch(params(**changed), count, environ or {})


def refused(count: int = 0, environ: dict[str, str] | None = None, **changed: Any) -> str:
    with pytest.raises(UserError, match="^params.yaml: ") as error:
        asked(count, environ, **changed)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix("params.yaml: ")


def options(launched: Launch) -> list[str]:
    command = launched.command("python", CONFIG)
    assert command[0] == "python" and command[-3:] == ["-m", "axolotl.cli.train", str(CONFIG)]
    return command[1:-3]


@pytest.mark.parametrize(("count", "world"), [(0, 1), (1, 1), (8, 8)])
def test_by_default_one_process_trains_on_each_gpu_and_one_on_a_cpu(count: int, world: int) -> None:
    assert asked(count) == Launch("accelerate", world, 1, 0, count > 0)
    assert asked(count).world == world


def test_accelerate_starts_what_was_asked_for_and_guesses_nothing() -> None:
    assert options(asked()) == [
        "-m",
        "accelerate.commands.launch",
        "--cpu",
        *"--num_processes 1 --num_machines 1".split(),
        *"--mixed_precision no --dynamo_backend no".split(),
    ]
    assert options(asked(8))[2:5] == ["--multi_gpu", "--num_processes", "8"]
    assert "--multi_gpu" not in options(asked(1))


def test_torchrun_starts_processes_on_this_host_and_tells_nobody_else_where() -> None:
    expected = "-m torch.distributed.run --standalone --local_addr 127.0.0.1 --nnodes 1 --nproc_per_node 2"
    assert options(asked(train__launcher="torchrun", train__processes=2)) == expected.split()


def test_several_hosts_meet_where_torchruns_own_variables_say_and_host_0_has_rank_0() -> None:
    found = asked(environ=HOST, train__launcher="torchrun", train__processes=2, train__hosts=3)
    assert (found.world, found.host) == (6, 1)
    assert options(found)[2:] == "--rdzv_backend static --nnodes 3 --nproc_per_node 2".split()


def test_ray_is_asked_by_axolotl_itself() -> None:
    found = asked(4, train__launcher="ray")
    assert options(found) == [] and found.keys == {"use_ray": True, "ray_num_workers": 4}
    assert asked(4).keys == {}
    assert asked(1, train__launcher="ray", train__processes=16).world == 16, "its cluster has more than this machine's"


def test_the_threads_of_a_cpu_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(12)))
    assert [cpu_settings(count)["OMP_NUM_THREADS"] for count in (1, 2, 5, 13)] == ["12", "6", "2", "1"]
    assert asked(train__launcher="torchrun", train__processes=4).environment()["OMP_NUM_THREADS"] == "3"
    assert "OMP_NUM_THREADS" not in asked(4).environment()


def test_processes_of_one_host_talk_on_loopback_and_those_of_several_where_the_person_says() -> None:
    assert asked(train__launcher="torchrun").environment()["GLOO_SOCKET_IFNAME"] == "lo"
    assert "GLOO_SOCKET_IFNAME" not in asked(environ=HOST, train__launcher="torchrun", train__hosts=2).environment()


@pytest.mark.parametrize(
    ("count", "changed", "told"),
    [
        (0, {"train__launcher": "ray"}, "train.launcher is ray: Axolotl asks Ray for GPUs without choice, and nvidia-smi finds none here; set accelerate or torchrun"),
        (0, {"train__processes": 2}, "train.processes is 2 and train.launcher is accelerate, which starts one process on a CPU however many it is asked for; set torchrun"),
        (0, {"train__hosts": 2}, "train.hosts is 2 and train.launcher is accelerate: several hosts meet by torchrun's rendezvous; set train.launcher to torchrun"),
        (4, {"train__hosts": 2, "train__launcher": "ray"}, "train.hosts is 2 and train.launcher is ray: several hosts meet by torchrun's rendezvous; set train.hosts to 1, and"),
        (4, {"train__processes": 2}, "train.processes is 2, and a training here sees 4 GPUs, of which each takes one process; set null, and name those to use in CUDA_VISIBLE_DEVICES"),
        (0, {"axolotl": {"fsdp_config": {"offload_params": True}}}, "axolotl.fsdp_config is set: a model is shared among GPUs, and nvidia-smi finds none here; leave it out"),
        (0, {"axolotl": {"deepspeed": "zero2.json"}}, "axolotl.deepspeed is set: a model is shared among GPUs"),
        (4, {"axolotl": {"use_ray": True}}, "axolotl.use_ray is True; train.launcher says it: set that"),
        (4, {"axolotl": {"ray_num_workers": 2}}, "axolotl.ray_num_workers is 2; train.processes says it: set that"),
    ],
)  # fmt: skip
def test_what_a_launcher_cannot_start_is_refused_in_one_sentence(count: int, changed: dict, told: str) -> None:
    assert refused(count, **changed).startswith(told)


@pytest.mark.parametrize("environ", [{}, {"PET_NODE_RANK": "0"}, {"PET_MASTER_ADDR": "a"}, HOST | {"PET_NODE_RANK": "2"}, HOST | {"PET_NODE_RANK": "one"}])
def test_a_host_that_does_not_know_its_number_or_where_host_0_is_is_refused(environ: dict[str, str]) -> None:
    said = refused(environ=environ, train__launcher="torchrun", train__hosts=2)
    assert f"found PET_NODE_RANK={environ.get('PET_NODE_RANK', '')} and PET_MASTER_ADDR={environ.get('PET_MASTER_ADDR', '')} in the environment" in said
    assert "expected this host's number, 0 to 1, and the address of host 0" in said


@pytest.mark.parametrize(("visible", "count"), [(None, 2), ("", 0), ("1", 1), ("0,1", 2), ("GPU-5f, ", 1)])
def test_gpus_are_those_that_nvidia_smi_lists_and_cuda_may_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None, count: int) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: H100 (UUID: GPU-5f)'\necho '  MIG 1g.10gb'\necho 'GPU 1: H100 (UUID: GPU-60)'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus() == count


def test_a_machine_without_a_working_nvidia_smi_has_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus() == 0
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'GPU 0: broken'\nexit 9\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert gpus() == 0


REPORT = """
Root Cause (first observed failure):
[0]:
  time      : 2026-11-27_03:22:58
  host      : localhost
  rank      : 3 (local_rank: 1)
  exitcode  : {status} (pid: 11537){signal}
  error_file: <N/A>
"""


GONE = "[rank0]: RuntimeError: [gloo/transport/tcp/pair.cc:553] Connection closed by peer [10.0.0.2]:42161. This is typically caused by"


def test_the_log_says_which_process_was_killed_and_which_host_is_gone() -> None:
    assert lost(REPORT.format(status=-9, signal=" (SIGKILL)"), 1).startswith("training process 3 was killed")
    assert lost(GONE + REPORT.format(status=1, signal=""), 2).startswith("the training processes at 10.0.0.2 are gone")
    assert lost(GONE + REPORT.format(status=1, signal=""), 1) is None, "on one host the log has the reason itself"
    assert lost("Traceback (most recent call last):\n", 2) is None
