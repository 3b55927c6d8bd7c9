"""The train stage with two processes, real ones that talk by gloo: on one machine, and on two hosts that have a network between them and nothing else."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from stages.common import checkpoints, guard
from stages.common.progress_file import read
from tests.project import Project
from tests.tiny_base import tiny_base, trainable  # noqa: F401

pytestmark = pytest.mark.slow
EPOCHS, STEPS = 8, 24  # of 24 chats, 8 a step
ADDRESSES = ("10.77.6.1", "10.77.6.2")


class Host:
    """A project, the machine's state of its own, and the stage as it runs there."""

    def __init__(self, folder: Path, base: Path, namespace: str | None = None, **environment: str):
        self.project = trainable(Project(folder / "project"), base)
        self.state, self.inside = folder / "state", ["ip", "netns", "exec", namespace] if namespace else []
        self.environment = {**os.environ, "DRAMATIS_STATE": str(self.state), **environment}
        for name, value in {"num_epochs": EPOCHS, "eval_steps": 6, "gradient_accumulation_steps": 2, "train.launcher": "torchrun"}.items():
            self.project.set(name, value)

    @contextmanager
    def stage(self) -> Iterator[subprocess.Popen]:
        """The stage under way; what is left of it when the block ends is ended."""
        command = [*self.inside, sys.executable, "-m", "stages.train"]
        process = subprocess.Popen(command, cwd=self.project.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(120)

    def end(self) -> str:
        """Run the stage to its end; what it says on stdout."""
        with self.stage() as process:
            said, errors = process.communicate(timeout=400)
        assert process.returncode == 0, errors[-3000:]
        return said

    @property
    def scratch(self) -> Path | None:
        return next((path for path in (self.state / "train").glob("*") if path.is_dir()), None)

    def wait_for(self, step: int, process: subprocess.Popen) -> None:
        """Wait until a step is logged."""
        deadline = time.monotonic() + 400
        while not (self.scratch and (self.scratch / "progress.jsonl").exists() and f'"step": {step},' in (self.scratch / "progress.jsonl").read_text()):
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()[1][-3000:]
            time.sleep(0.02)

    def losses(self) -> dict[str, list[float]]:
        """Both curves."""
        tables = {name: csv.DictReader((self.project.folder / f"plots/train/{name}.csv").open()) for name in ("loss", "eval_loss")}
        return {name: [float(row[name]) for row in table] for name, table in tables.items()}


def workers(process: subprocess.Popen) -> list[int]:
    """The training processes below a stage, by rank."""
    found = {}
    for pid in guard.descendants(process.pid):
        try:
            pairs = (pair.partition("=") for pair in Path(f"/proc/{pid}/environ").read_text(errors="replace").split("\0"))
        except OSError:
            continue
        environment = {name: value for name, _, value in pairs}
        if "RANK" in environment:
            found.setdefault(int(environment["RANK"]), pid)
    return [found[rank] for rank in sorted(found)]


def same(one: Host, other: Host, tolerance: float) -> None:
    for name, losses in one.losses().items():
        print(name, "differ by at most", max(abs(a - b) for a, b in zip(losses, other.losses()[name], strict=True)), losses)
        assert other.losses()[name] == pytest.approx(losses, abs=tolerance), name
    assert other.project.metrics("train")["tokens"] == one.project.metrics("train")["tokens"]


@pytest.fixture(scope="module")
def undisturbed(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Host:  # noqa: F811
    host = Host(tmp_path_factory.mktemp("undisturbed"), tiny_base)
    host.project.set("train.processes", 2)
    host.end()
    assert len(host.losses()["loss"]) == STEPS
    return host


def test_told_to_stop_and_then_with_a_worker_killed_the_run_goes_on_to_the_same_end(undisturbed: Host, tiny_base: Path, tmp_path: Path) -> None:  # noqa: F811
    host = Host(tmp_path, tiny_base)
    host.project.set("train.processes", 2)
    with host.stage() as process:
        host.wait_for(1, process)
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    saved = max(checkpoints.whole(host.scratch))
    assert saved == max(line["step"] for line in read(host.scratch / "progress.jsonl") if "loss" in line) < STEPS
    assert left(host) == []

    with host.stage() as process:
        host.wait_for(max(10, saved + 1), process)  # in the fourth epoch
        os.kill(workers(process)[1], signal.SIGKILL)
        killed = time.monotonic()
        said, errors = process.communicate(timeout=60)
        print(f"{time.monotonic() - killed:.1f} seconds from the kill to the end")
    assert f"goes on from step {saved}" in said
    assert process.returncode == 1
    (sentence,) = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert sentence.startswith("error: training did not finish: its process 1, and with it the others, was killed by the kernel (SIGKILL)")
    assert left(host) == []
    assert not (host.project.folder / "models/adapter").exists()

    assert "goes on from step" in host.end()
    same(undisturbed, host, 1e-4)


def left(host: Host) -> list[str]:
    """The processes that still work in a host's scratch folder."""
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and str(host.state / "train") in command_line(pid)]


def command_line(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


@contextmanager
def network() -> Iterator[list[str]]:
    """Two network namespaces with an address each and a cable between them; gone when the block ends."""

    def ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)

    names = [f"dramatis-{os.getpid()}-{number}" for number in range(2)]
    with ExitStack() as stack:
        for name in names:
            ip("netns", "add", name)
            stack.callback(ip, "netns", "delete", name)
        ip("-n", names[0], "link", "add", "host", "type", "veth", "peer", "name", "host", "netns", names[1])
        for name, address in zip(names, ADDRESSES, strict=True):
            ip("-n", name, "address", "add", f"{address}/24", "dev", "host")
            for device in ("lo", "host"):
                ip("-n", name, "link", "set", device, "up")
        yield names


def start(hosts: list[Host], stack: ExitStack) -> list[subprocess.Popen]:
    return [stack.enter_context(host.stage()) for host in hosts]


@pytest.mark.network
def test_two_hosts_train_to_the_same_end_as_one_with_two_processes_even_where_one_is_lost_on_the_way(
    undisturbed: Host,
    tiny_base: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    with network() as names, ExitStack() as stack:
        hosts = []
        for number, name in enumerate(names):
            surroundings = {"PET_NODE_RANK": str(number), "PET_MASTER_ADDR": ADDRESSES[0], "GLOO_SOCKET_IFNAME": "host"}
            hosts.append(Host(tmp_path / str(number), tiny_base, name, **surroundings))
            hosts[-1].project.set("train.hosts", 2)

        stages = start(hosts, stack)
        hosts[0].wait_for(10, stages[0])
        os.kill(workers(stages[1])[0], signal.SIGKILL)
        killed = time.monotonic()
        errors = [process.communicate(timeout=60)[1] for process in stages]
        print(f"{time.monotonic() - killed:.1f} seconds from the kill to the end on both hosts")
        assert [process.returncode for process in stages] == [1, 1]
        assert f"error: training did not finish: the training processes at {ADDRESSES[1]} are gone" in errors[0]
        assert "error: training process 1 was killed" in errors[1]

        stages = start(hosts, stack)
        for process in stages:
            said, errors = process.communicate(timeout=400)
            assert process.returncode == 0, errors[-3000:]
            assert "goes on from step" in said
    assert "host 1 has done its part" in said
    same(undisturbed, hosts[0], 1e-4)
    assert (hosts[0].project.folder / "models/adapter/adapter_model.safetensors").exists()
    written = [name for name in ("models/adapter", "metrics/train.json", "plots") if (hosts[1].project.folder / name).exists()]
    assert written == [], "host 0 alone writes"
    assert hosts[1].scratch is None
