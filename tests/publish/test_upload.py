"""`--upload` against a hub on loopback: what arrives, who may see it, what an upload that broke off leaves, and that the token stands nowhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.publish.hub import Hub, running
from tests.publish.test_publish import CLOSED, done, made, project, publish  # noqa: F401 - fixtures
from tools.publish.hub import why

NAME = "some-org/holmes"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub, and a person with a token who may write there."""
    with running() as found:
        own = {"HF_ENDPOINT": found.url, "HF_TOKEN": "hf_mine", "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
        for name, value in own.items():
            monkeypatch.setenv(name, value)
        yield found


def refusal(found: subprocess.CompletedProcess[str]) -> str:
    """The one sentence; bars of what was sent before may stand above it."""
    last = found.stderr.splitlines()[-1]
    assert found.returncode == 1 and last.startswith("error: ") and "Traceback" not in found.stderr, found.stdout + found.stderr
    return last


def local(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "published/merged").iterdir()}


def test_what_arrives_is_the_folder_to_the_byte_in_one_commit_that_nobody_else_sees(project: Path, hub: Hub, tmp_path: Path) -> None:  # noqa: F811
    found = publish(project, "merged", "--upload", NAME)
    assert found.returncode == 0, found.stderr
    assert f"{hub.url}/{NAME}/commit/{'a' * 40}" in found.stdout
    assert hub.repositories == {NAME: {"private": True, "files": local(project), "commits": 1}}
    assert {"Modelfile", "README.md", "SHA256SUMS", "model.safetensors", "training_data.jsonl"} == local(project).keys()
    kept = [path for folder in (project, tmp_path / "home") for path in folder.rglob("*") if path.is_file() and b"hf_mine" in path.read_bytes()]
    assert kept == [] and "hf_mine" not in found.stdout + found.stderr


def test_a_second_upload_sends_no_weights_again_and_takes_away_those_of_an_earlier_version(project: Path, hub: Hub) -> None:  # noqa: F811
    hub.repositories[NAME] = {"private": True, "files": {"model-00001-of-00002.safetensors": b"old", "notes.md": b"mine"}, "commits": 3}
    for commits in (4, 5):
        assert publish(project, "merged", "--upload", NAME).returncode == 0
        assert hub.repositories[NAME] == {"private": True, "files": {**local(project), "notes.md": b"mine"}, "commits": commits}
    assert len(hub.sent) == 1


def test_it_is_for_everybody_only_where_that_is_said(project: Path, hub: Hub) -> None:  # noqa: F811
    assert publish(project, "merged", "--upload", NAME, "--public").returncode == 0
    assert hub.repositories[NAME]["private"] is False
    before = dict(hub.repositories[NAME])
    (project / "published/merged/README.md").write_text("other")
    assert f"{NAME} is there already, and public: say --public, or make it private first" in refusal(publish(project, "merged", "--upload", NAME))
    assert hub.repositories[NAME] == before
    assert "--public says who may see what --upload hands to the hub" in refusal(publish(project, "merged", "--public"))


def test_killed_while_it_sends_it_leaves_nothing_to_take_and_the_same_command_ends_it(project: Path, hub: Hub) -> None:  # noqa: F811
    arrives, go_on = threading.Event(), threading.Event()

    def stop() -> None:
        arrives.set()
        go_on.wait(60)

    hub.before_blob = stop
    command = [sys.executable, "-m", "tools.publish", "merged", "--upload", NAME]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(Path(__file__).parents[2])}
    sending = subprocess.Popen(command, cwd=project, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert arrives.wait(120)
    sending.send_signal(signal.SIGKILL)
    sending.wait()
    go_on.set()
    assert hub.repositories[NAME]["files"] == {} and hub.repositories[NAME]["commits"] == 0
    assert publish(project, "merged", "--upload", NAME).returncode == 0
    assert hub.repositories[NAME]["files"] == local(project)


def test_a_model_that_the_gate_stops_is_not_uploaded(project: Path, hub: Hub) -> None:  # noqa: F811
    (project / "gate.json").write_text(json.dumps(CLOSED))
    done(project, "dvc", "repro", "-q")
    assert "the model fails tuned.empty_rate is 0.5" in refusal(publish(project, "merged", "--upload", NAME))
    assert hub.repositories == {} and hub.agents == set()


@pytest.mark.parametrize(
    ("token", "name", "sentence"),
    [
        ("", NAME, f"--upload {NAME}: HF_TOKEN is not set; make a token that may write"),
        ("hf_unknown", NAME, f"{NAME} at http://127.0.0.1:%d: the hub does not know the token in HF_TOKEN; make a new one"),
        ("hf_reads", NAME, f"{NAME} at http://127.0.0.1:%d: the token in HF_TOKEN may not write there; it needs the right to write"),
        ("hf_mine", "holmes", "--upload holmes: expected ORG/NAME, a model's id on the hub"),
    ],
)
def test_a_token_that_is_none_and_a_name_that_is_none_are_one_sentence(
    project: Path,  # noqa: F811
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
    token: str,
    name: str,
    sentence: str,
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    said = refusal(publish(project, "merged", "--upload", name, "--tag", "v2.0.0"))
    assert said.startswith("error: " + sentence.replace("%d", hub.url.rpartition(":")[2])) and (not token or token not in said)
    known_beforehand = sentence.startswith("--upload")
    assert (project / "published").exists() != known_beforehand and ("merged@v2.0.0" in done(project, "git", "tag")) != known_beforehand


def test_what_the_hub_says_is_passed_on_without_the_token(project: Path, hub: Hub) -> None:  # noqa: F811
    hub.says["/commit/main"] = (400, {"error": "no room left for hf_mine"})
    said = refusal(publish(project, "merged", "--upload", NAME))
    assert "the hub refuses it (400): " in said and "no room left for ***" in said and "hf_mine" not in said


@pytest.mark.parametrize("answer", [{"url": 5}, "[]", "<html>Welcome</html>"])
def test_what_answers_in_the_hubs_place_and_is_none_is_one_sentence(project: Path, hub: Hub, answer: object) -> None:  # noqa: F811
    hub.says["/api/repos/create"] = (200, answer)
    assert "answers as no hub does" in refusal(publish(project, "merged", "--upload", NAME))


def test_a_hub_that_cannot_be_reached_is_one_sentence(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    said = refusal(publish(project, "merged", "--upload", NAME))
    assert said.startswith(f"error: {NAME} at http://127.0.0.1:9: the connection broke (") and "the same command goes on from what has arrived" in said
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "the connection broke (" in refusal(publish(project, "merged", "--upload", NAME))


def test_of_a_connection_that_breaks_while_a_file_is_sent_the_last_cause_is_told() -> None:
    try:
        raise RuntimeError("Error while uploading 'model.safetensors' to the Hub.") from httpx2.ReadError("[Errno 104] Connection reset by peer")
    except RuntimeError as error:
        assert why(error) == "the connection broke ([Errno 104] Connection reset by peer); the same command goes on from what has arrived"
