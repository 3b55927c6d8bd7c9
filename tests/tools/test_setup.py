"""tools/setup.py. The environments built here hold one tiny wheel made on the spot; no test asks a registry or touches the checkout's own."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stages.common.errors import UserError
from tools import setup

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [".venv", ".venv-train", ".venv-serve"]
WHEEL = "tiny-1.0-py3-none-any.whl"
# What setup asks the disk for is vLLM's size; the tiny wheel needs next to none, and these tests pass wherever it fits.
SETUP = """
from dataclasses import replace
from tools import setup
setup.ON_CPU, setup.ON_GPU = ([replace(one, gigabytes=0.05) for one in wanted] for wanted in (setup.ON_CPU, setup.ON_GPU))
setup.run(setup.main)
"""


def make_wheel(folder: Path) -> None:
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("tiny.py", "ANSWER = 42\n")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "tiny.py,,\ntiny-1.0.dist-info/METADATA,,\ntiny-1.0.dist-info/WHEEL,,\ntiny-1.0.dist-info/RECORD,,\n")


def make_checkout(folder: Path) -> Path:
    """A checkout that holds setup and what it imports; each of its locks names the tiny wheel, which lies in `wheels/`."""
    for lock in {one.lock for one in (*setup.ON_CPU, *setup.ON_GPU)}:
        (folder / lock).parent.mkdir(parents=True, exist_ok=True)
        (folder / lock).write_text("tiny==1.0\n")
    (folder / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "setup.py", folder / "tools")
    shutil.copytree(ROOT / "stages" / "common", folder / "stages" / "common", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "wheels").mkdir()
    make_wheel(folder / "wheels")
    return folder


def start(checkout: Path, links: str | None = None) -> subprocess.Popen:
    """Start setup in a temporary checkout, with pip looking nowhere but at `links`."""
    assert checkout != ROOT
    pip = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": links or str(checkout / "wheels"), "PIP_NO_CACHE_DIR": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", SETUP],
        cwd=checkout,
        env={**os.environ, **pip, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen) -> subprocess.CompletedProcess:
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def stamps(checkout: Path) -> dict[str, dict]:
    files = {folder: checkout / folder / setup.STAMP for folder in FOLDERS}
    return {folder: json.loads(file.read_text()) for folder, file in files.items() if file.exists()}


def answer(checkout: Path, folder: str) -> str:
    command = [checkout / folder / "bin" / "python", "-c", "import tiny; print(tiny.ANSWER)"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def alive_in(checkout: Path) -> list[str]:
    """The command lines of living processes that name the checkout."""
    lines = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if readable(file)]
    return [line.decode(errors="replace") for line in lines if str(checkout).encode() in line]


def readable(file: Path) -> bool:
    try:
        return bool(file.read_bytes())
    except OSError:
        return False


@pytest.fixture
def stalling_index():
    """A server of the tiny wheel that sends it only once `released` is set; `reached` is set when somebody asks for it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f'<a href="{WHEEL}">{WHEEL}</a>'.encode()
            if self.path.endswith(".whl"):
                server.asked += 1
                server.reached.set()
                server.released.wait(60)
                body = (server.folder / WHEEL).read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "application/zip" if self.path.endswith(".whl") else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:  # the asking pip was killed
                pass

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.reached, server.released = 0, threading.Event(), threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


# --- the machine --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [(3, 8, 18), (3, 10, 14), (3, 12, 1), (3, 14, 0)])
def test_an_unsupported_python_gets_one_sentence_with_both_versions(version):
    sentence = setup.unsupported(version, "linux")
    assert "\n" not in sentence
    assert "supports Python 3.11" in sentence and ".".join(map(str, version)) in sentence


def test_the_supported_python_on_linux_gets_none():
    assert setup.unsupported((3, 11, 7), "linux") is None
    assert "darwin" in setup.unsupported((3, 11, 7), "darwin")


def test_an_unsupported_python_ends_with_that_sentence_and_builds_nothing(tmp_path):
    checkout = make_checkout(tmp_path)
    pretend = "import runpy, sys; sys.version_info = (3, 14, 0, 'final', 0); runpy.run_module('tools.setup', run_name='__main__')"
    result = subprocess.run([sys.executable, "-c", pretend], cwd=checkout, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [f"error: {setup.unsupported((3, 14, 0), 'linux')}"]
    assert not list(checkout.glob(".venv*"))


@pytest.mark.parametrize("file", ["tools/setup.py", "stages/common/environments.py", "stages/common/errors.py"])
def test_python_3_8_can_parse_what_tells_it_that_it_is_too_old(file):
    ast.parse((ROOT / file).read_text(), feature_version=(3, 8))


def test_a_full_disk_gets_one_sentence_with_need_and_free_space():
    sentence = setup.disk_too_small(setup.ON_CPU, free=3_000_000_000, where=Path("/somewhere"))
    need = sum(environment.gigabytes for environment in setup.ON_CPU)
    assert sentence == f"the disk of /somewhere is too full: building .venv, .venv-train, .venv-serve takes about {need:.1f} GB, and 3.0 GB are free"
    assert setup.disk_too_small(setup.ON_CPU, free=int(need * 1e9), where=Path("/somewhere")) is None


def test_a_full_disk_is_told_before_an_old_environment_is_deleted(tmp_path, monkeypatch):
    old = tmp_path / ".venv" / "old"
    old.parent.mkdir()
    old.write_text("still of use")
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    monkeypatch.setattr(setup.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))
    with open(tmp_path / "lock", "w") as lock, pytest.raises(UserError, match="is too full: building .venv takes about"):
        setup.build_all([setup.PIPELINE], setup.Commands(lock))
    assert old.exists()


def test_an_environment_of_another_checkout_is_never_deleted_through_a_link(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / setup.STAMP).write_text("{}")
    (tmp_path / ".venv").symlink_to(elsewhere)
    with pytest.raises(UserError, match="is a link to .*elsewhere, an environment of another checkout"):
        setup.remove(tmp_path / ".venv")
    assert (elsewhere / setup.STAMP).exists()


def test_a_disk_that_fills_up_under_pip_becomes_one_sentence_and_frees_what_was_unfinished(tmp_path, monkeypatch, capfd):
    checkout = make_checkout(tmp_path)
    monkeypatch.setattr(setup, "ROOT", checkout)
    message = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
    monkeypatch.setattr(setup, "pip_install", lambda *_: [sys.executable, "-c", f"import sys; sys.exit({message!r})"])
    with open(tmp_path / "lock", "w") as lock, pytest.raises(UserError, match="filled up: building .venv takes about .* GB; .* GB are free now") as told:
        setup.build_all([setup.PIPELINE], setup.Commands(lock))
    assert "\n" not in str(told.value)
    assert "Errno" not in capfd.readouterr().err
    assert not (checkout / ".venv").exists()


def test_the_cpu_build_of_torch_is_looked_for_at_hand_before_anyone_is_asked():
    at_hand, from_pytorch = setup.torch_commands(Path("/x/.venv-train"), "2.13.0", cpu=True)
    assert at_hand[:4] == from_pytorch[:4] == ["/x/.venv-train/bin/python", "-m", "pip", "install"]
    assert at_hand[-2:] == ["--no-index", "torch==2.13.0"]
    assert from_pytorch[-3:] == ["--index-url", "https://download.pytorch.org/whl/cpu", "torch==2.13.0"]
    assert "--no-deps" in at_hand and "--no-deps" in from_pytorch
    assert "--index-url" not in at_hand


def test_on_a_gpu_a_cpu_build_of_torch_at_hand_is_not_taken():
    [command] = setup.torch_commands(Path("/x/.venv-train"), "2.13.0", cpu=False)
    # PEP 440: `==2.13.0` is met by 2.13.0+cpu and prefers it, `===2.13.0` is met by 2.13.0 alone.
    assert command[-1] == "torch===2.13.0"
    assert "--no-index" not in command and setup.TORCH_CPU_WHEELS not in command


@pytest.mark.parametrize("is_at_hand", [True, False])
def test_pytorchs_own_index_is_asked_only_where_no_cpu_build_is_at_hand(tmp_path, monkeypatch, is_at_hand):
    checkout = make_checkout(tmp_path)
    (checkout / "requirements/train.txt").write_text("tiny==1.0\ntorch==2.13.0\n")
    tried = tmp_path / "tried"

    def pip_install(_: Path, *arguments: str) -> list[str]:
        found = is_at_hand and arguments[0] == "--no-index"
        return [sys.executable, "-c", f"open({str(tried)!r}, 'a').write({arguments[0]!r} + ' '); raise SystemExit({0 if found else 1})"]

    monkeypatch.setattr(setup, "ROOT", checkout)
    monkeypatch.setattr(setup, "pip_install", pip_install)
    sentence = "pip could not install requirements/train.txt" if is_at_hand else "no CPU build of torch 2.13.0 to be had"
    with open(tmp_path / "lock", "w") as lock, pytest.raises(UserError, match=sentence):
        setup.build(setup.ON_CPU[1], setup.Commands(lock))
    assert tried.read_text().split() == (["--no-index", "--requirement"] if is_at_hand else ["--no-index", "--index-url"])


# --- building -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_unchanged_lock_does_nothing_and_a_changed_one_builds_its_environment_alone(tmp_path):
    checkout = make_checkout(tmp_path)
    first = finish(start(checkout))
    assert first.returncode == 0, first.stderr
    assert [answer(checkout, folder) for folder in FOLDERS] == ["42", "42", "42"]
    assert [line.split()[0] for line in first.stdout.splitlines()[-3:]] == [str(checkout / folder) for folder in FOLDERS]
    assert re.fullmatch(r"\S+  \d\.\d GB  torch -  vLLM -", first.stdout.splitlines()[-1])
    assert not list(checkout.glob(".venv*/tmp"))

    before = {folder: (checkout / folder / setup.STAMP).stat().st_mtime_ns for folder in FOLDERS}
    began = time.monotonic()
    second = finish(start(checkout))
    assert second.returncode == 0 and time.monotonic() - began < 1
    assert second.stdout.splitlines() == first.stdout.splitlines()[-3:]
    assert {folder: (checkout / folder / setup.STAMP).stat().st_mtime_ns for folder in FOLDERS} == before

    for lock in ("requirements/train.txt", "requirements/train-cuda.txt"):
        (checkout / lock).write_text("# changed\ntiny==1.0\n")
    third = finish(start(checkout))
    after = {folder: (checkout / folder / setup.STAMP).stat().st_mtime_ns for folder in FOLDERS}
    assert third.returncode == 0
    assert [folder for folder in FOLDERS if after[folder] != before[folder]] == [".venv-train"]


def test_an_environment_that_was_moved_with_its_checkout_is_not_taken_for_finished(tmp_path, monkeypatch):
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    (tmp_path / "requirements.txt").write_text("tiny==1.0\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").write_text("")
    setup.stamp(setup.PIPELINE, {"torch": None, "vllm": None})
    assert setup.finished(setup.PIPELINE)
    moved = tmp_path / "elsewhere"
    shutil.copytree(tmp_path, moved, ignore=shutil.ignore_patterns("elsewhere"))
    monkeypatch.setattr(setup, "ROOT", moved)
    assert setup.finished(setup.PIPELINE) is None


@pytest.mark.slow
def test_a_setup_that_was_killed_half_way_leaves_no_pip_and_is_finished_by_the_next(tmp_path, stalling_index):
    checkout = make_checkout(tmp_path)
    stalling_index.folder = checkout / "wheels"
    killed = start(checkout, stalling_index.url)
    assert stalling_index.reached.wait(60)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert stamps(checkout) == {}

    # What a pip leaves that was killed between the record of a package and its files: the next pip believes it whole.
    half = checkout / ".venv" / "lib" / "python3.11" / "site-packages" / "tiny-1.0.dist-info"
    half.mkdir(parents=True, exist_ok=True)
    (half / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    deadline = time.monotonic() + 10
    while alive_in(checkout) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert alive_in(checkout) == []

    stalling_index.released.set()
    following = finish(start(checkout, stalling_index.url))
    assert following.returncode == 0, following.stderr
    assert list(stamps(checkout)) == FOLDERS
    assert [answer(checkout, folder) for folder in FOLDERS] == ["42", "42", "42"]


@pytest.mark.slow
def test_ctrl_c_ends_every_pip_at_once(tmp_path, stalling_index):
    checkout = make_checkout(tmp_path)
    stalling_index.folder = checkout / "wheels"
    process = start(checkout, stalling_index.url)
    assert stalling_index.reached.wait(60)
    process.send_signal(signal.SIGINT)
    result = finish(process)
    assert result.returncode == 130
    assert "Traceback" not in result.stderr
    assert alive_in(checkout) == []
    assert stamps(checkout) == {}


@pytest.mark.slow
def test_of_two_setups_at_once_the_second_waits_and_builds_nothing_again(tmp_path, stalling_index):
    checkout = make_checkout(tmp_path)
    stalling_index.folder = checkout / "wheels"
    one = start(checkout, stalling_index.url)
    assert stalling_index.reached.wait(60)
    two = start(checkout, stalling_index.url)
    assert "waiting for it to end" in two.stdout.readline()
    stalling_index.released.set()
    assert finish(one).returncode == 0
    second = finish(two)
    assert second.returncode == 0 and "installing" not in second.stdout
    assert stalling_index.asked == 3


@pytest.mark.slow
def test_a_package_that_cannot_be_had_ends_setup_with_pips_message_and_a_sentence(tmp_path):
    checkout = make_checkout(tmp_path)
    for lock in ("requirements/serve-cpu.txt", "requirements/serve-cuda.txt"):
        (checkout / lock).write_text("nosuch==1.0\n")
    result = finish(start(checkout))
    assert result.returncode == 1
    assert ".venv-serve: ERROR: No matching distribution found for nosuch==1.0" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: pip could not install requirements/serve-")
    assert "Traceback" not in result.stderr
    assert ".venv-serve" not in stamps(checkout)
