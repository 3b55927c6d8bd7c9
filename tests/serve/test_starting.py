"""What `python -m tools.serve` refuses before any engine starts, and the key that it makes."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from stages.common.errors import UserError
from stages.evaluate import gate
from tools.serve import __main__ as serve
from tools.serve import api_key

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRAMATIS_STATE", str(tmp_path / "state"))
    monkeypatch.delenv(api_key.VARIABLE, raising=False)
    return tmp_path / "state"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-m", "tools.serve", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def refused(folder: Path, *arguments: str) -> str:
    done = run(folder, *arguments)
    assert (done.returncode, done.stderr.count("\n"), done.stderr[:7]) == (1, 1, "error: "), done.stderr
    return done.stderr


def closed(folder: Path) -> None:
    """A gate with one bound that is failed."""
    (folder / "metrics").mkdir(exist_ok=True)
    (folder / gate.FILE).write_text(json.dumps(gate.flat(gate.judge([{"metric": "tuned.empty_rate", "max": 0.05}], {"tuned.empty_rate": 0.25}))))


@pytest.mark.parametrize("arguments", [[], ["--adapter"], *(["--adapter", f"mine={way}"] for way in ("models/adapter", "models/../models/adapter", "link"))])
def test_a_model_that_fails_the_gate_is_not_served(tmp_path: Path, arguments: list[str]) -> None:
    closed(tmp_path)
    (tmp_path / "link").symlink_to("models/adapter")
    assert "the model fails tuned.empty_rate is 0.25; at most 0.05" in refused(tmp_path, "--port", "0", *arguments)


def test_without_an_evaluation_nothing_is_served(tmp_path: Path) -> None:
    assert f"{gate.FILE}: no such file" in refused(tmp_path, "--port", "0")


def test_a_port_that_is_taken_is_told_before_anything_else(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "choose another port with --port" in refused(tmp_path, "--port", str(taken.getsockname()[1]))
    assert "choose another port with --port" in refused(tmp_path, "--port", "65536")


@pytest.mark.parametrize("arguments", [["--max-tokens", "0"], ["--engine", "file:///etc/passwd"], ["--engine", "127.0.0.1:80"], ["--engine", "http://h/v1"]])
def test_what_can_never_work_is_refused_at_once(tmp_path: Path, arguments: list[str]) -> None:
    assert "expected" in refused(tmp_path, "--port", "0", *arguments)


def test_a_full_disk_leaves_no_half_of_a_key(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_source: object, _target: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(UserError, match="api-key: cannot be written: No space left"):
        api_key.given()
    assert list(state.iterdir()) == []


@pytest.mark.parametrize(
    "pair", ["holmes", "=models/adapter", "base=models/adapter", "a b=models/adapter", "../x=models/adapter", "x" * 65 + "=models/adapter"]
)
def test_an_adapter_needs_a_name_of_its_own(pair: str) -> None:
    with pytest.raises(UserError, match="expected NAME=FOLDER"):
        serve.named([pair])
    with pytest.raises(UserError, match="expected NAME=FOLDER"):
        serve.named(["twice=a", "twice=b"])


def answering(text: str, status: int = 200) -> web.Application:
    """A server with this one answer."""

    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer the-clients-key"
        return web.json_response({"choices": [{"message": {"content": text}}]} if status == 200 else {"error": {"message": text}}, status=status)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    return app


def first_answer_of(app: web.Application, seconds: float = 30) -> None:
    async def ask() -> None:
        async with TestServer(app) as server:
            await serve.first_answer(f"http://127.0.0.1:{server.port}", "merged", "the-clients-key", 8, seconds)

    asyncio.run(ask())


@pytest.fixture
def proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A company's, and nothing listens there."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, address in (("HTTP_PROXY", "http://127.0.0.1:9"), ("http_proxy", "http://127.0.0.1:9"), ("ALL_PROXY", "socks5://127.0.0.1:9")):
        monkeypatch.setenv(name, address)


def test_the_first_answer_goes_through_no_proxy_and_is_shown_as_text(proxies: None, capsys: pytest.CaptureFixture[str]) -> None:
    first_answer_of(answering("Good \x1b]0;pwned\x07 day,\n\u202esir."))
    assert 'to "Good morning.": Good \\x1b]0;pwned\\x07 day, \\u202esir.\n' in capsys.readouterr().out


def test_a_first_answer_that_fails_or_never_comes_is_one_sentence() -> None:
    with pytest.raises(UserError, match="merged gave no first answer: out of memory"):
        first_answer_of(answering("out of memory", 500))

    async def nothing(request: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    slow = web.Application()
    slow.router.add_post("/v1/chat/completions", nothing)
    with pytest.raises(UserError, match="merged gave no first answer in 0.2 s"):
        first_answer_of(slow, 0.2)


@pytest.fixture
def repository(tmp_path: Path, tiny_base: Path) -> Path:
    """A repository whose lock records a model in models/merged, with an open gate."""
    folder = tmp_path / "repository"
    (folder / "metrics").mkdir(parents=True)
    (folder / "params.yaml").write_text("answer: {seed: 1}\n")
    (folder / "open.json").write_text('{"passed": 1, "bounds": 0, "failed": 0}')
    (folder / "dvc.yaml").write_text(
        "stages:\n  merge:\n    cmd: cp -r tiny models/merged\n    deps: [tiny]\n    outs: [models/merged]\n"
        f"  evaluate:\n    cmd: cp open.json {gate.FILE}\n    metrics: [{gate.FILE}: {{cache: false}}]\n"
    )
    for command in ("git init -q", f"cp -r {tiny_base} tiny", "dvc init -q", "mkdir models", "dvc repro -q"):
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
        subprocess.run(command.split(), cwd=folder, env=environment, check=True)
    return folder


def test_a_model_that_is_not_the_one_on_record_is_not_served_by_that_ones_figures(repository: Path) -> None:
    template = repository / "models/merged/chat_template.jinja"
    template.chmod(0o644)
    template.write_text("{{ messages }}")
    assert "models/merged is modified: not the model of dvc.lock" in refused(repository, "--port", "0")


def test_a_gate_that_somebody_opened_by_hand_is_not_believed(repository: Path) -> None:
    (repository / gate.FILE).write_text(json.dumps(gate.flat([gate.Bound("tuned.empty_rate", 0.0, max=0.05)])))
    assert f"{gate.FILE} is modified: not what evaluate wrote for dvc.lock" in refused(repository, "--port", "0")


def test_a_model_that_was_not_fetched_is_told_how_to_fetch(repository: Path) -> None:
    subprocess.run(["rm", "-r", "models/merged"], cwd=repository, check=True)
    assert "`dvc pull models/merged` brings that one" in refused(repository, "--port", "0")


def test_the_model_alone_is_enough_what_it_was_made_from_need_not_be_there(repository: Path) -> None:
    subprocess.run(["rm", "-r", "tiny"], cwd=repository, check=True)
    (repository / "models/merged/config.json").unlink()
    assert "models/merged is modified" in refused(repository, "--port", "0")
    subprocess.run([str(Path(sys.executable).with_name("dvc")), "checkout", "-q", "--force", "models/merged"], cwd=repository, check=True)
    subprocess.run([sys.executable, "-c", "from pathlib import Path; from tools.serve import on_record; on_record.refuse(Path('models/merged'))"], cwd=repository, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)  # fmt: skip


def test_the_key_is_made_once_for_all_and_only_its_owner_can_read_it(state: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: api_key.given(), range(32)))
    assert len(keys) == 1 and len(keys.pop()) >= 32
    assert stat.S_IMODE(api_key.file().stat().st_mode) == 0o600
    assert [path.name for path in state.iterdir()] == ["api-key"]


def test_a_key_that_others_may_read_is_taken_for_known(state: Path) -> None:
    key = api_key.given()
    api_key.file().chmod(0o640)
    with pytest.raises(UserError, match="others may read it .mode 640.") as error:
        api_key.given()
    assert key not in str(error.value)


@pytest.mark.parametrize("key", ["short", "with a space in its middle", "line\nbreak-0123456789", "\u00e9" * 20])
def test_a_key_that_cannot_be_one_is_refused_and_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(api_key.VARIABLE, key)
    with pytest.raises(UserError, match="DRAMATIS_API_KEY: expected a key of 16 or more") as error:
        api_key.given()
    assert key not in str(error.value)


def test_the_environments_key_comes_first_and_is_not_written(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(api_key.VARIABLE, "0123456789abcdef")
    assert api_key.given() == "0123456789abcdef" and not api_key.file().exists()
