"""The train stage with two processes, real ones that talk by gloo, on one machine, and on two hosts that have a network between them and nothing else.

Both are disturbed on their way, and end as one process that nobody disturbs.
"""

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
from tests.project import Project
from tests.tiny_base import tiny_base, trainable  # noqa: F401

pytestmark = pytest.mark.slow
EPOCHS, STEPS = 8, 24  # of 24 chats, 8 a step
ADDRESSES = ("10.77.6.1", "10.77.6.2")


class Host:
    """A project, the machine's state of its own, and the stage as it runs there."""

    def __init__(self, folder: Path, base: Path, changed: dict[str, object], namespace: str | None = None, **environment: str):
        self.project = trainable(Project(folder / "project"), base)
        self.state, self.inside = folder / "state", ["ip", "netns", "exec", namespace] if namespace else []
        self.environment = {**os.environ, "DRAMATIS_STATE": str(self.state), **environment}
        # Without dropout: each process draws its own.
        for name, value in {"num_epochs": EPOCHS, "eval_steps": 6, "lora_dropout": 0.0, **changed}.items():
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


def same(one: Host, two: Host) -> None:
    """Measured: no loss differs by more than 1e-6."""
    for name, losses in one.losses().items():
        print(f"{name} differs by at most", max(abs(a - b) for a, b in zip(losses, two.losses()[name], strict=True)))
        assert two.losses()[name] == pytest.approx(losses, abs=1e-4), name
    assert two.project.metrics("train")["tokens"] == one.project.metrics("train")["tokens"]


@pytest.fixture(scope="module")
def one(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Host:  # noqa: F811
    """A training in one process by accelerate, undisturbed: 2 chats at a time, 4 times a step."""
    host = Host(tmp_path_factory.mktemp("one"), tiny_base, {"gradient_accumulation_steps": 4})
    host.end()
    assert len(host.losses()["loss"]) == STEPS
    return host


def test_with_a_worker_killed_the_run_ends_within_a_minute_and_goes_on_to_the_end_that_one_process_reaches(
    one: Host,
    tiny_base: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    host = Host(tmp_path, tiny_base, {"gradient_accumulation_steps": 2, "train.launcher": "torchrun", "train.processes": 2})
    with host.stage() as process:
        host.wait_for(10, process)  # in the fourth epoch
        os.kill(workers(process)[1], signal.SIGKILL)
        killed = time.monotonic()
        _, errors = process.communicate(timeout=60)
        print(f"{time.monotonic() - killed:.1f} seconds from the kill to the end")
    assert process.returncode == 1
    (sentence,) = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert sentence.startswith("error: training did not finish: its process 1, and with it the others, was killed by the kernel (SIGKILL)")
    assert left(host) == []
    assert states(host) == {"rng_state_0.pth", "rng_state_1.pth"}
    assert not (host.project.folder / "models/adapter").exists()

    assert "goes on from step" in host.end()
    same(one, host)


def states(host: Host) -> set[str]:
    """The processes' states in the newest whole checkpoint."""
    return {path.name for path in list(checkpoints.whole(host.scratch).values())[-1].glob("rng_state*")}


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


@pytest.mark.network
def test_two_hosts_that_are_told_to_stop_go_on_to_the_end_that_one_process_reaches(one: Host, tiny_base: Path, tmp_path: Path) -> None:  # noqa: F811
    changed = {"gradient_accumulation_steps": 2, "train.launcher": "torchrun", "train.hosts": 2}
    with network() as names, ExitStack() as stack:
        hosts = []
        for number, name in enumerate(names):
            surroundings = {"PET_NODE_RANK": str(number), "PET_MASTER_ADDR": ADDRESSES[0], "GLOO_SOCKET_IFNAME": "host"}
            hosts.append(Host(tmp_path / str(number), tiny_base, changed, name, **surroundings))

        stages = [stack.enter_context(host.stage()) for host in hosts]
        hosts[0].wait_for(4, stages[0])
        stages[1].terminate()
        errors = [process.communicate(timeout=60)[1] for process in stages]
        assert "error: training was told to stop" in errors[0], errors[0][-3000:]
        assert [process.returncode for process in stages] == [1, 128 + signal.SIGTERM]
        assert max(checkpoints.whole(hosts[0].scratch)) == max(checkpoints.whole(hosts[1].scratch)) < STEPS
        assert [states(host) for host in hosts] == [{"rng_state_0.pth"}, {"rng_state_1.pth"}], "each on its own disk"

        stages = [stack.enter_context(host.stage()) for host in hosts]
        for process in stages:
            said, errors = process.communicate(timeout=400)
            assert process.returncode == 0, errors[-3000:]
            assert "goes on from step" in said
    assert "host 1 has done its part" in said
    same(one, hosts[0])
    assert (hosts[0].project.folder / "models/adapter/adapter_model.safetensors").exists()
    written = [name for name in ("models/adapter", "metrics/train.json", "plots") if (hosts[1].project.folder / name).exists()]
    assert written == [], "host 0 alone writes"
    assert hosts[1].scratch is None
