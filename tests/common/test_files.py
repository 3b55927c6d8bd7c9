"""Files are written whole or not at all, whenever the writer is killed, and errors say where they are."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.common.errors import UserError
from stages.common.files import new_files, new_folder, read_json, read_jsonl, read_lines, sha256, write_json, write_jsonl, write_text

FILE_EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"}


def killed_before(step: int, work: Callable[[], None], event_names: set[str] = FILE_EVENTS) -> bool:
    """Do `work` in a child process that SIGKILLs itself before its file operation number `step`; whether it got that far."""
    child = os.fork()
    if child == 0:
        left = step

        def count(event: str, _arguments: tuple) -> None:
            nonlocal left
            if event in event_names:  # os.kill is an event too
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def contents(folder: Path) -> dict[str, str] | None:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()} if folder.exists() else None


def test_a_kill_before_the_rename_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"loss": 1})
    assert killed_before(1, lambda: write_json(path, {"loss": 2}), {"os.rename"})
    assert read_json(path) == {"loss": 1}


def test_a_kill_at_any_file_operation_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path, seen, step = tmp_path / "chats.jsonl", set(), 1
    write_text(path, "old\n" * 1000)
    while killed_before(step, lambda: write_text(path, "new\n" * 2000)):
        seen.add(path.read_text())
        step += 1
    assert step > 3
    assert seen <= {"old\n" * 1000, "new\n" * 2000}
    assert path.read_text() == "new\n" * 2000


def test_the_new_file_is_on_the_disk_before_it_takes_the_old_ones_name(tmp_path: Path) -> None:
    path, order = tmp_path / "a.json", tmp_path / "order"

    def work() -> None:
        flush, rename = os.fsync, os.replace
        log = os.open(order, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.fsync = lambda handle: (os.write(log, os.readlink(f"/proc/self/fd/{handle}").encode() + b" flushed\n"), flush(handle))[1]
        os.replace = lambda old, new: (os.write(log, f"{old} renamed\n".encode()), rename(old, new))[1]
        write_text(path, "new")

    assert not killed_before(10**6, work)
    first, second = order.read_text().splitlines()
    assert (first.split()[1], second.split()[1]) == ("flushed", "renamed")
    assert first.split()[0] == second.split()[0]


def test_a_kill_leaves_of_several_files_no_old_one_beside_a_new_one(tmp_path: Path) -> None:
    paths, seen, step = [tmp_path / name for name in ("train", "validation", "test")], set(), 1

    def write(text: str) -> None:
        with new_files(*paths) as files:
            for file in files:
                file.write(text.encode())

    write("old")
    while killed_before(step, lambda: write("new")):
        seen.add(frozenset(path.read_text() for path in paths if path.exists()))
        write("old")
        step += 1
    assert step > 8
    assert seen == {frozenset({"old"}), frozenset({"new"}), frozenset()}
    assert {path.read_text() for path in tmp_path.iterdir()} == {"new"}, "what killed runs left is gone"


def test_several_files_of_which_one_fails_leave_all_old_ones(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        write_text(path, "old")
    with pytest.raises(OSError, match="no space"), new_files(*paths) as (one, _):
        one.write(b"new")
        raise OSError("no space")
    assert contents(tmp_path) == {"a": "old", "b": "old"}


def fill(folder: Path, text: str, count: int = 3) -> None:
    for number in range(count):
        write_text(folder / f"{number}.txt", text)


def test_a_kill_inside_new_folder_leaves_the_old_folder(tmp_path: Path) -> None:
    path = tmp_path / "adapter"
    with new_folder(path) as folder:
        fill(folder, "old")

    def work() -> None:
        with new_folder(path) as folder:
            fill(folder, "new", 2)
            os.kill(os.getpid(), signal.SIGKILL)

    assert killed_before(10**6, work)
    assert contents(path) == {f"{number}.txt": "old" for number in range(3)}


def test_a_kill_at_any_file_operation_leaves_a_whole_folder_or_none(tmp_path: Path) -> None:
    """None is what DVC itself leaves before it runs a stage; half a folder is what a later run would take for whole."""
    path, old, new = tmp_path / "base", {f"{n}.txt": "old" for n in range(3)}, {f"{n}.txt": "new" for n in range(3)}

    def work() -> None:
        with new_folder(path) as folder:
            fill(folder, "new")

    step, killed = 1, True
    while killed:
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        fill(path, "old")
        killed = killed_before(step, work)
        assert contents(path) in (old, new, None), f"killed before file operation {step}"
        step += 1
    assert step > 12
    assert contents(path) == new


def test_a_folder_whose_making_fails_leaves_the_old_one_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "base"
    with new_folder(path) as folder:
        fill(folder, "old")
    with pytest.raises(RuntimeError, match="no space"), new_folder(path) as folder:
        fill(folder, "new")
        raise RuntimeError("no space")
    assert [p.name for p in tmp_path.iterdir()] == ["base"]
    assert contents(path)["2.txt"] == "old"


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda path: write_json(path, {"loss": float("nan")}), id="not a number"),
        pytest.param(lambda path: write_jsonl(path, [{"value": "\ud800"}]), id="half a character"),
    ],
)
def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = write_and_return(tmp_path / "a.json", "old")
    with pytest.raises(ValueError):
        write(path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def write_and_return(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_records_come_back_as_they_were_written_one_to_a_line(tmp_path: Path) -> None:
    records = [{"value": "a\u2028b\x85c\x00d\re"}, {"value": "\u201cé\u201d \U0001f50d"}]
    write_jsonl(tmp_path / "deep/down/a.jsonl", records)
    assert read_jsonl(tmp_path / "deep/down/a.jsonl") == records
    assert (tmp_path / "deep/down/a.jsonl").read_bytes().count(b"\n") == 2
    assert "é".encode() in (tmp_path / "deep/down/a.jsonl").read_bytes()


def test_line_numbers_count_blank_lines_and_windows_line_ends(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"a": 1}\r\n\r\n  \n{"a": 2}')
    assert list(read_lines(tmp_path / "a.jsonl")) == [(1, {"a": 1}), (4, {"a": 2})]


@pytest.mark.parametrize(
    "line", ["{", "nonsense", "[" * 200_000, '{"a": ' + "9" * 5000 + "}", '{"a": "\x00"}'], ids=["cut off", "word", "deep", "huge number", "raw NUL"]
)
def test_a_line_that_cannot_be_parsed_is_a_value_and_the_next_one_is_read(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text(f'{line}\n{{"a": 2}}\n')
    (first, problem), second = read_lines(tmp_path / "a.jsonl")
    assert (first, second) == (1, (2, {"a": 2}))
    assert isinstance(problem, ValueError) and len(str(problem)) < 300


def test_an_error_names_the_file_and_the_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{\n  "a": 1,\n  oops\n}')
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\n{"a": \n')
    with pytest.raises(UserError, match=r"a\.json:3: not JSON: .* column 3"):
        read_json(tmp_path / "a.json")
    with pytest.raises(UserError, match=r"a\.jsonl:3: not JSON: "):
        read_jsonl(tmp_path / "a.jsonl")


@pytest.mark.parametrize("read", [read_json, read_jsonl])
@pytest.mark.parametrize("kind", ["missing", "folder", "not UTF-8"])
def test_a_file_that_cannot_be_read_is_one_sentence_with_its_name(tmp_path: Path, read: Callable[[Path], object], kind: str) -> None:
    path = tmp_path / "cards.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "not UTF-8":
        path.write_bytes(b'{"a": 1}\n{"name": "Ir\xe9ne"}\n')
    with pytest.raises(UserError) as caught:
        read(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_byte_that_is_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"a": 1}\n{"name": "Ir\xe9ne"}\n')
    with pytest.raises(UserError, match=r"a\.jsonl:2: not UTF-8"):
        list(read_lines(tmp_path / "a.jsonl"))


def test_sha256_is_the_published_one_of_abc(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_json_is_written_in_the_order_given(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": {"é": 2}})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "b": 1,\n  "a": {\n    "é": 2\n  }\n}\n'
    assert list(json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))) == ["b", "a"]
