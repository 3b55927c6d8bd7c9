"""Damaged objects on a remote: with `verify` none is pulled, and `tools.remote check` finds them and makes room for whole ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.project import ROOT
from tests.remotes.machines import Machine, contents, owner, wrong
from tests.remotes.servers import Server, Ssh, s3_remote, ssh_remote  # noqa: F401

pytestmark = pytest.mark.slow
BOOKS = "data/raw/books"
DAMAGE: list[Callable[[bytes], bytes]] = [  # a flipped bit, cut short, empty
    lambda content: content[:500] + bytes([content[500] ^ 1]) + content[501:],
    lambda content: content[:500],
    lambda content: b"",
]


class Books:
    """A machine that has pushed a folder of three books; any of its objects on the server can be damaged."""

    def __init__(self, home: Path, server: Server):
        self.machine, self.server = owner(home, server, files=3, size=100_000), server
        self.machine.run("dvc push")
        self.whole = self.machine.cached()
        self.books = [name for name in self.whole if not name.endswith(".dir")]
        (self.listing,) = set(self.whole) - set(self.books)

    def damage(self, name: str, how: Callable[[bytes], bytes]) -> None:
        self.server.put(name, how(self.whole[name]))

    def same(self, folder: Path) -> bool:
        return contents(folder) == contents(self.machine.folder / BOOKS)


@pytest.fixture
def over_ssh(ssh_remote: Ssh, tmp_path: Path) -> Books:  # noqa: F811
    return Books(tmp_path / "owner", ssh_remote)


@pytest.mark.parametrize("kind", ["ssh", "s3"])
def test_damaged_objects_are_not_pulled_and_once_they_are_found_the_next_push_makes_them_whole(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    team = Books(tmp_path / "owner", request.getfixturevalue(f"{kind}_remote"))
    for book, how in zip(team.books, DAMAGE, strict=True):
        team.damage(book, how)
    laptop = Machine.cloned(tmp_path / "laptop", team.machine.folder, team.server)
    status, said = laptop.tried("dvc pull")
    assert status == 1 and f"Checkout failed for following targets:\n{BOOKS}" in said, said
    assert not set(team.books) & set(laptop.cached()) and not (laptop.folder / BOOKS).exists()

    assert "up to date" in team.machine.run("dvc push"), "DVC now sees by itself what is damaged: drop tools.remote check"
    status, said = laptop.tried("python -m tools.remote check")
    assert status == 1 and said.startswith("error: 3 of 4 files") and said.count("damaged") == 3 and f"{BOOKS}/0.txt" in said, said
    assert "4 files pushed" in team.machine.run("dvc push")
    laptop.run("dvc pull")
    assert team.same(laptop.folder / BOOKS)
    assert "4 files on the remote, all whole" in laptop.run("python -m tools.remote check")


def test_without_verify_and_by_dvc_get_a_damaged_object_arrives_unnoticed(over_ssh: Books, tmp_path: Path) -> None:
    """Why every remote needs `verify`, and `dvc get` another check. Where this fails, DVC has learnt to look by itself."""
    over_ssh.damage(over_ssh.books[0], DAMAGE[0])
    laptop = Machine.cloned(tmp_path / "laptop", over_ssh.machine.folder, over_ssh.server)
    laptop.run(f"dvc get -q {laptop.folder} {BOOKS} -o got", folder=laptop.home)
    assert not over_ssh.same(laptop.home / "got")
    laptop.run("dvc remote modify storage verify false")
    laptop.run("dvc pull")
    assert wrong(laptop.cached()) == [over_ssh.books[0]]
    assert "up to date" in laptop.run("dvc status")


def test_a_listing_with_another_name_in_it_is_noticed(over_ssh: Books, tmp_path: Path) -> None:
    """The one thing that `verify` lets through: files of the right content under a wrong name; `dvc status` tells."""
    over_ssh.damage(over_ssh.listing, lambda content: content.replace(b"1.txt", b"7.txt"))
    laptop = Machine.cloned(tmp_path / "laptop", over_ssh.machine.folder, over_ssh.server)
    laptop.tried("dvc pull")
    assert not wrong(laptop.cached())
    assert "not in cache" in laptop.run("dvc status")
    status, said = laptop.tried("python -m tools.remote check")
    assert status == 1 and f"{BOOKS}: damaged" in said, said
    over_ssh.machine.run("dvc push")
    laptop.run("dvc pull --force")
    assert over_ssh.same(laptop.folder / BOOKS)


def remotes(config: Path) -> Iterator[tuple[str, bool]]:
    """(name, whether it is verified) of each remote in a DVC configuration."""
    parser = ConfigParser()
    parser.read(config, encoding="utf-8")
    for section in parser.sections():
        if section.strip("'").startswith("remote "):
            yield section, parser.getboolean(section, "verify", fallback=False)


def test_every_remote_that_this_repository_names_is_verified(tmp_path: Path) -> None:
    """So that a team that adds one to .dvc/config cannot forget it: `dvc remote modify NAME verify true`."""
    assert all(verified for _, verified in remotes(ROOT / ".dvc/config"))
    unsafe = tmp_path / "config"
    unsafe.write_text("[core]\n    remote = storage\n['remote \"storage\"']\n    url = s3://bucket\n")
    assert list(remotes(unsafe)) == [("'remote \"storage\"'", False)]
