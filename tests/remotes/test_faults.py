"""A remote that dies, is full, refuses the key or holds damaged objects: the next push completes, and nothing corrupt is pulled."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remotes.machines import Machine, contents, owner, wrong
from tests.remotes.servers import READY_SECONDS, S3, Ssh, kill, s3_remote, ssh_remote  # noqa: F401

pytestmark = pytest.mark.slow
FILES, BYTES = 12, 16 << 20


@pytest.fixture
def team(tmp_path: Path) -> Iterator[tuple[Machine, Ssh]]:
    """(owner of much data, SSH server of this test's own, not running)."""
    server = Ssh(tmp_path / "server")
    yield owner(tmp_path / "owner", server, FILES, BYTES), server
    shutil.rmtree(tmp_path, ignore_errors=True)


def pulls_all(home: Path, pushed: Machine, server: Ssh | S3) -> None:
    """A fresh clone gets every byte, and every object has its hash."""
    fresh = Machine.cloned(home, pushed.folder, server)
    fresh.run("dvc pull")
    assert contents(fresh.folder / "data/raw/books") == contents(pushed.folder / "data/raw/books")
    assert not wrong(fresh.cached()) and not wrong(server.objects())


def middle_of(push: subprocess.Popen, store: Path) -> list[Path]:
    """Return while a push runs: some objects are whole, and one is half-written."""
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        assert push.poll() is None, f"the push was over before it could be cut: {push.communicate()}"
        written = [path for path in store.rglob("*") if path.is_file()]
        parts = [path for path in written if path.suffix == ".tmp" and 0 < size(path) < BYTES]
        if parts and len(written) > len(parts):
            return parts
        time.sleep(0.005)
    raise AssertionError("the push never was in its middle")


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def test_a_server_killed_in_the_middle_of_a_push_keeps_no_half_object_and_the_next_push_completes(team: tuple[Machine, Ssh], tmp_path: Path) -> None:
    machine, server = team
    with server.running() as process:
        push = machine.start("dvc push")
        middle_of(push, server.store)
        kill(process)
        said = "".join(push.communicate(timeout=READY_SECONDS))
    assert push.returncode == 1 and "ERROR" in said, said[-2000:]
    left = server.objects()
    assert 0 < len(left) < FILES + 1 and not wrong(left) and not any(name.endswith(".dir") for name in left)
    with server.running():
        machine.run("dvc push")
        pulls_all(tmp_path / "laptop", machine, server)


def test_a_push_killed_in_its_middle_is_completed_by_the_next(team: tuple[Machine, Ssh], tmp_path: Path) -> None:
    machine, server = team
    with server.running():
        push = machine.start("dvc push")
        middle_of(push, server.store)
        os.killpg(push.pid, signal.SIGKILL)
        push.communicate()
        left = server.objects()
        assert 0 < len(left) < FILES + 1 and not wrong(left)
        machine.run("dvc push")
        pulls_all(tmp_path / "laptop", machine, server)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.mount
def test_a_full_remote_fails_the_push_and_with_room_the_next_completes(team: tuple[Machine, Ssh], small_disk: Path, tmp_path: Path) -> None:
    machine, server = team
    server.store = small_disk / "store"
    machine.run(f"dvc remote modify storage url ssh://127.0.0.1:{server.port}{server.store}")
    machine.commit("disk")
    with server.running():
        status, said = machine.tried("dvc push")
        assert status == 1 and "failed to push data to the cloud" in said, said[-2000:]
        left = server.objects()
        assert len(left) < FILES and not wrong(left)
        subprocess.run(["mount", "-o", "remount,size=400m", small_disk], check=True)
        machine.run("dvc push")
        pulls_all(tmp_path / "laptop", machine, server)


def test_a_wrong_ssh_key_is_refused_in_words_and_the_right_one_pushes(ssh_remote: Ssh, tmp_path: Path) -> None:  # noqa: F811
    machine = owner(tmp_path / "owner", ssh_remote, 1, 1000)
    for command in ssh_remote.with_key(ssh_remote.stranger):
        machine.run(command)
    status, said = machine.tried("dvc push")
    assert status != 0 and "Permission denied" in said and "Traceback" not in said
    for command in ssh_remote.with_key(ssh_remote.key):
        machine.run(command)
    assert "2 files pushed" in machine.run("dvc push")


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_a_wrong_s3_key_is_refused_in_words_and_the_right_one_pushes(s3_remote: S3, tmp_path: Path, name: str) -> None:  # noqa: F811
    machine = owner(tmp_path / "owner", s3_remote, 1, 1000)
    right = machine.environment[name]
    machine.environment[name] = right[::-1]
    status, said = machine.tried("dvc push")
    assert status != 0 and "Forbidden" in said and "Traceback" not in said
    machine.environment[name] = right
    assert "2 files pushed" in machine.run("dvc push")
