"""How many processes train, on how many hosts, and the command that starts this host's share of them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.common.errors import UserError

# Axolotl's keys that say what a parameter of ours says, and those by which several GPUs share one model.
OURS = {"use_ray": "train.launcher", "ray_num_workers": "train.processes"}
SHAPES = 64  # of products. A batch of the default training has 14 of its own (ONEDNN_VERBOSE=all), and each takes 2 ms to make again
SHARDED = ("fsdp", "fsdp_config", "fsdp_version", "deepspeed")


@dataclass(frozen=True)
class Launch:
    """A training's processes."""

    launcher: str
    """accelerate, torchrun or ray."""
    processes: int
    """On each host; with Ray, in its whole cluster."""
    hosts: int
    host: int
    """This one's number; 0 has the outs."""
    gpu: bool

    @property
    def world(self) -> int:
        """How many processes train in all: each adds its share to the effective batch."""
        return self.processes * self.hosts

    @property
    def keys(self) -> dict[str, Any]:
        """What Axolotl's config says of it."""
        return {"use_ray": True, "ray_num_workers": self.processes} if self.launcher == "ray" else {}

    def command(self, python: str, config: Path) -> list[str]:
        """Axolotl through the launcher, in the training environment's interpreter."""
        axolotl = ["-m", "axolotl.cli.train", str(config)]
        match self.launcher:
            case "ray":  # Axolotl itself asks Ray for the workers
                return [python, *axolotl]
            case "torchrun":
                # Static: the host with number 0 has rank 0, which writes. torchrun reads PET_NODE_RANK, PET_MASTER_ADDR and PET_MASTER_PORT itself.
                meet = ["--standalone", "--local_addr", "127.0.0.1"] if self.hosts == 1 else ["--rdzv_backend", "static"]
                many = ["--nnodes", str(self.hosts), "--nproc_per_node", str(self.processes)]
                return [python, "-m", "torch.distributed.run", *meet, *many, *axolotl]
            case _:
                where = [] if self.gpu else ["--cpu"]
                many = ["--multi_gpu"] if self.processes > 1 else []
                return [python, "-m", "accelerate.commands.launch", *where, *many, "--num_processes", str(self.processes), "--num_machines", "1",
                        "--mixed_precision", "no", "--dynamo_backend", "no", *axolotl]  # fmt: skip

    def environment(self) -> dict[str, str]:
        """What its processes are told by environment variables."""
        # torchrun would end its workers at SIGTERM and kill them after 30 seconds; they finish a step and save by themselves.
        told = {"PET_SIGNALS_TO_HANDLE": "SIGINT"}
        if self.gpu:
            return told
        # In accelerate's own words: without the first the processes would not know of each other, since Axolotl builds its Accelerator anew; and
        # it would call the second "cpu:0", where torch loads no optimizer to go on with.
        cpu = {"ACCELERATE_USE_CPU": "true", "ACCELERATE_TORCH_DEVICE": "cpu"}
        return told | cpu | cpu_settings(self.processes) | ({"GLOO_SOCKET_IFNAME": "lo"} if self.hosts == 1 else {})


def cpu_settings(processes: int = 1) -> dict[str, str]:
    """Threads and memory of each of the processes that train on this CPU.

    Launchers allow one thread a process unless told. Logits of many megabytes come and go in every step: glibc would
    give them back to the kernel each time and page them in again. oneDNN and ideep keep what they made for 1024 shapes of products each, and
    nearly every batch has a length of its own: pieces that lie between the tensors and split what is free into ever smaller holes. 33 steps
    of SmolLM2-135M took 7.3 GiB so, and take 4.5 with 64 shapes.
    """
    threads = max(1, len(os.sched_getaffinity(0)) // processes)
    heap = {"MALLOC_MMAP_THRESHOLD_": str(2**33), "MALLOC_TRIM_THRESHOLD_": str(2**34)}
    kept = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": str(SHAPES), "LRU_CACHE_CAPACITY": str(SHAPES)}
    return {"OMP_NUM_THREADS": str(threads)} | heap | kept


def gpus() -> int:
    """How many GPUs a training here sees: those that CUDA_VISIBLE_DEVICES names, else all that `nvidia-smi` lists; 0 where it does not answer."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    if listed.returncode != 0:
        return 0
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines()) if named is None else len([name for name in named.split(",") if name.strip()])


def launch(params: Mapping[str, Any], gpus: int, environ: Mapping[str, str]) -> Launch:
    """The processes of a training on a machine with `gpus` GPUs. Raises UserError, one sentence, for what its launcher cannot start."""
    launcher, asked, hosts = params["train.launcher"], params["train.processes"], params["train.hosts"]
    processes = asked or max(1, gpus)
    for name in sorted(OURS.keys() & params["axolotl"].keys()):
        raise UserError(f"params.yaml: axolotl.{name} is {params['axolotl'][name]!r}; {OURS[name]} says it: set that")
    if hosts > 1 and launcher != "torchrun":
        instead = (
            "set train.launcher to torchrun" if launcher == "accelerate" else "set train.hosts to 1, and train.processes to the workers of Ray's whole cluster"
        )
        raise UserError(f"params.yaml: train.hosts is {hosts} and train.launcher is {launcher}: several hosts meet by torchrun's rendezvous; {instead}")
    if not gpus:
        if launcher == "ray":
            raise UserError(
                "params.yaml: train.launcher is ray: Axolotl asks Ray for GPUs without choice, and nvidia-smi finds none here; set accelerate or torchrun"
            )
        if launcher == "accelerate" and processes > 1:
            raise UserError(
                f"params.yaml: train.processes is {processes} and train.launcher is accelerate, which starts one process on a CPU "
                "however many it is asked for; set torchrun"
            )
        for name in (name for name in SHARDED if params["axolotl"].get(name)):
            raise UserError(f"params.yaml: axolotl.{name} is set: a model is shared among GPUs, and nvidia-smi finds none here; leave it out")
    elif launcher != "ray" and processes != gpus:
        raise UserError(
            f"params.yaml: train.processes is {processes}, and a training here sees {gpus} GPUs, of which each takes one process; set null, and name those to use in CUDA_VISIBLE_DEVICES"
        )
    return Launch(launcher, processes, hosts, host_number(hosts, environ), gpus > 0)


def host_number(hosts: int, environ: Mapping[str, str]) -> int:
    """This host's number, from torchrun's own PET_NODE_RANK; 0 where there is one host. Raises UserError where torchrun's variables say too little."""
    if hosts == 1:
        return 0
    number, address = environ.get("PET_NODE_RANK", ""), environ.get("PET_MASTER_ADDR")
    if number not in map(str, range(hosts)) or not address:
        raise UserError(
            f"params.yaml: train.hosts is {hosts}: found PET_NODE_RANK={number} and PET_MASTER_ADDR={address or ''} in the environment; "
            f"expected this host's number, 0 to {hosts - 1}, and the address of host 0"
        )
    return int(number)
