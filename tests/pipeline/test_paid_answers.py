"""Real DVC around a stub teacher: what was paid for stays, and only what is new is asked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.common.stub_endpoint import Endpoint, Reply, completion
from tests.project import ROOT
from tests.synthesize.holmes import ANSWERS, CHATS, KEY, VARIABLE, change, good
from tests.tokenizer import lay_out

pytestmark = pytest.mark.slow


class Clone:
    """A team's project with curate, synthesize and filter alone, and this machine's state beside it."""

    def __init__(self, home: Path, url: str):
        self.home, self.folder = home, home / "project"
        for name in ("stages", "schemas", "data/characters", "data/gold", "data/raw", "data/prompts", "data/words"):
            shutil.copytree(ROOT / name, self.folder / name)
        for name in ("params.yaml", ".gitignore"):
            shutil.copy(ROOT / name, self.folder)
        lay_out(self.folder / "models" / "base")
        yaml = YAML()
        pipeline = yaml.load(ROOT / "dvc.yaml")
        yaml.dump({"stages": {name: pipeline["stages"][name] for name in ("curate", "synthesize", "filter")}}, self.folder / "dvc.yaml")
        change(self.folder, base_url=url, teacher="stub-teacher", api_key_env=VARIABLE, chats=10)
        self.run("git", "init", "-q")
        self.run("git", "add", "--force", "models/base")  # for there is no stage base here
        self.run("dvc", "init", "-q")
        self.run("dvc", "remote", "add", "-d", "team", str(home / "remote"))
        self.commit()

    def commit(self) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", "step")

    def run(self, *command: str) -> str:
        dvc = {f"DVC_{name}_DIR": str(self.home / name) for name in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG")}
        names = {f"GIT_{who}_{what}": "tests@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        state = {"DRAMATIS_STATE": str(self.home / "state"), VARIABLE: KEY, "DVC_NO_ANALYTICS": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        with tempfile.TemporaryFile("w+") as said:  # not a pipe: the workers of a queue hold it open after their command has ended
            done = subprocess.run(command, cwd=self.folder, env={**os.environ, **dvc, **names, **state, "PATH": path}, stdout=said, stderr=said, timeout=300)
            said.seek(0)
            told = said.read()
        assert done.returncode == 0, f"{' '.join(command)}\n{told[-6000:]}"
        return told

    def read(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()


def test_nothing_is_paid_twice_over_runs_machines_and_parameters(tmp_path: Path) -> None:
    words = " and there it has been lying ever since the evening of the long rain"  # so that filter keeps the chat
    with Endpoint(lambda body, _: Reply(completion(good(body["seed"]).replace("sat last.", f"sat last{words}.").replace("Naturally.", f"{words}.")))) as stub:
        clone = Clone(tmp_path, stub.url)
        clone.run("dvc", "repro")
        assert len(stub.requests) == 10
        clone.commit()

        change(clone.folder, chats=12)
        clone.run("dvc", "repro")
        assert sorted(sent.body["seed"] for sent in stub.requests[10:]) == [17, 18]
        paid, written = clone.read(ANSWERS), clone.read(CHATS)
        assert paid.count(b"\n") == 12
        clone.commit()

        said = clone.run("dvc", "exp", "run", "-S", "filter.max_words=100")
        assert "Running stage 'filter'" in said and "Running stage 'synthesize'" not in said
        clone.run("git", "checkout", "-q", "-f", ".")
        clone.run("dvc", "checkout", "-q")

        shutil.rmtree(tmp_path / "state")  # the disk is lost, the working tree is not
        said = clone.run("dvc", "repro", "-s", "-f", "synthesize")
        assert "12 answers of data/synthetic/answers.jsonl are in this machine's store now" in said
        assert (clone.read(ANSWERS), clone.read(CHATS), len(stub.requests)) == (paid, written, 12)

        clone.run("dvc", "push")
        for path in ("state", "project/.dvc/cache", "project/data/synthetic", "SITE_CACHE"):  # another machine
            shutil.rmtree(tmp_path / path)
        clone.run("dvc", "pull", ANSWERS)
        change(clone.folder, chats=13)
        clone.run("dvc", "repro", "--force", "-s", "synthesize")
        assert [sent.body["seed"] for sent in stub.requests[12:]] == [19]
        assert clone.read(ANSWERS).startswith(paid)

        clone.run("dvc", "repro")
        clone.commit()
        before = len(stub.requests)
        clone.run("dvc", "exp", "run", "--temp", "-S", "synthesize.chats=14")  # a copy of the project, without its ignored files
        assert [sent.body["seed"] for sent in stub.requests[before:]] == [20]

        before = len(stub.requests)
        for chats in (16, 17):
            clone.run("dvc", "exp", "run", "--queue", "-S", f"synthesize.chats={chats}")
        clone.run("dvc", "queue", "start", "-j", "2")  # two copies at once
        until = time.monotonic() + 300
        while (status := clone.run("dvc", "queue", "status")).count("Success") < 2:
            assert "Failed" not in status and time.monotonic() < until, status
            time.sleep(1)
        assert sorted(sent.body["seed"] for sent in stub.requests[before:]) == [21, 22, 23]
    assert KEY.encode() not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
