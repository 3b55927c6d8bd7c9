"""A machine of the team: a clone of the repository with state, home and DVC's own notes apart from every other machine's."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from tests.project import ROOT
from tests.remotes.servers import Server

TIMEOUT = 900  # seconds after which a command counts as hanging


class Machine:
    """`folder` is the clone; commands run in it with the pipeline's environment on PATH, as after `source .venv/bin/activate`."""

    def __init__(self, home: Path):
        self.home, self.folder = home, home / "dramatis"
        home.mkdir(parents=True)
        (home / ".gitconfig").write_text("[user]\n\tname = t\n\temail = t@example.org\n[init]\n\tdefaultBranch = main\n")
        without = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SSH_", "GIT_", "PYTHON"))}
        self.environment = {
            **without, "HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(home / "site"), "DRAMATIS_STATE": str(home / "state"), "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONPATH": str(ROOT),  # behind the clone's own code
        }  # fmt: skip

    @classmethod
    def cloned(cls, home: Path, origin: Path, *servers: Server) -> Machine:
        """A clone of `origin` that has been told the servers' credentials."""
        machine = cls(home)
        machine.run(f"git clone -q {origin} {machine.folder}", folder=home)
        for server in servers:
            machine.knows(server)
        return machine

    def knows(self, server: Server) -> None:
        """The credentials: in the environment, or in .dvc/config.local, which git ignores."""
        self.environment.update(server.environment())
        for command in server.commands():
            if "--local" in command:
                self.run(command)

    def start(self, command: str, folder: Path | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command.split(), cwd=folder or self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def tried(self, command: str, folder: Path | None = None) -> tuple[int, str]:
        """(exit status, all that was said)."""
        process = self.start(command, folder)
        try:
            said = "".join(process.communicate(timeout=TIMEOUT))
        finally:
            process.kill()
        return process.returncode, said

    def run(self, command: str, folder: Path | None = None) -> str:
        status, said = self.tried(command, folder)
        assert status == 0, f"{command}\n{said[-6000:]}"
        return said

    def commit(self, message: str) -> None:
        self.run("git add -A")
        self.run(f"git commit -qm {message}")

    def cached(self) -> dict[str, bytes]:
        """Content of each object in DVC's cache by its hash."""
        return {"".join(path.parts[-2:]): path.read_bytes() for path in (self.folder / ".dvc/cache/files").rglob("*") if path.is_file()}


def wrong(objects: dict[str, bytes]) -> list[str]:
    """Names of the objects whose content has another hash."""
    return [name for name, content in objects.items() if hashlib.md5(content).hexdigest() != name.removesuffix(".dir")]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def owner(home: Path, server: Server, files: int, size: int) -> Machine:
    """A machine with a git repository that has books of random bytes, named by the server's commands, and nothing pushed yet."""
    machine = Machine(home)
    books = machine.folder / "data/raw/books"
    books.mkdir(parents=True)
    for number in range(files):
        (books / f"{number}.txt").write_bytes(os.urandom(size))
    for command in ("git init -q", "dvc init -q", *server.commands(), "dvc add -q data/raw/books"):
        machine.run(command)
    machine.environment.update(server.environment())
    machine.commit("books")
    return machine
