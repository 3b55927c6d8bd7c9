"""`tools.remote` where there is no remote; tests/remotes has it at work."""

from __future__ import annotations

import pytest

from tests.remotes.machines import Machine


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A DVC project without a remote."""
    machine = Machine(tmp_path_factory.mktemp("alone") / "home")
    machine.folder.mkdir()
    for command in ("git init -q", "dvc init -q"):
        machine.run(command)
    return machine


@pytest.mark.parametrize(("command", "expected"), [("push", "no remote specified in"), ("check", "no remote specified in"), ("check -r other", "'other'")])
def test_without_the_remote_it_says_so_in_one_line(machine: Machine, command: str, expected: str) -> None:
    status, said = machine.tried(f"python -m tools.remote {command}")
    assert status == 1 and said.startswith("error: remote: ") and said.count("\n") == 1 and expected in said, said


def test_outside_a_project_it_says_so_in_one_line(machine: Machine) -> None:
    status, said = machine.tried("python -m tools.remote check", folder=machine.home)
    assert status == 1 and said.startswith("error: remote: you are not inside of a DVC repository") and said.count("\n") == 1, said
