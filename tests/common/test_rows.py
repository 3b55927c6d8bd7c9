"""A file in pieces: every line once, in order, by as many processes as there are, and none of them left over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.common import rows
from stages.common.errors import UserError
from tests.chats import jsonl, plain_chat
from tests.project import ROOT

CHATS = [plain_chat(number) for number in range(60)]


def ids(piece: rows.Piece) -> list[str]:
    return [chat["id"] for _, _, chat in rows.read(piece)]


def who(piece: rows.Piece) -> int:
    return os.getpid()


def fail(piece: rows.Piece) -> None:
    raise UserError(f"the piece at {piece.start}")


def die(piece: rows.Piece) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "chats.jsonl"
    path.write_text(jsonl(CHATS), encoding="utf-8")
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(size=st.integers(1, 30_000))
def test_pieces_of_any_size_hold_every_chat_once_in_order(path: Path, size: int) -> None:
    parts = rows.pieces(path, size)
    assert [one for part in parts for one in ids(part)] == [chat["id"] for chat in CHATS]
    assert [part.start for part in parts[1:]] == [part.end for part in parts[:-1]]


def test_the_bytes_that_are_told_are_those_of_the_line(path: Path) -> None:
    content = path.read_bytes()
    lines = [content[start:end] for part in rows.pieces(path, 5000) for start, end, _ in rows.read(part)]
    assert lines == content.splitlines(keepends=True)


@pytest.mark.parametrize("end", ["", "\n", "\n\n  \n"])
def test_blank_lines_and_a_missing_end_of_line_are_nothing(tmp_path: Path, end: str) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text("\n" + jsonl(CHATS[:2]).rstrip("\n") + end, encoding="utf-8")
    assert [one for part in rows.pieces(path, 100) for one in ids(part)] == [chat["id"] for chat in CHATS[:2]]


def test_an_empty_file_has_no_pieces(tmp_path: Path) -> None:
    (tmp_path / "none").touch()
    assert rows.pieces(tmp_path / "none") == []
    with pytest.raises(UserError, match="no such file"):
        rows.pieces(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "line, words",
    [
        (b"{", "not JSON: Expecting property name"),
        (b"\xff", "not UTF-8: byte 0xff"),
        (b'{"id": 1}', "is a required property"),
        (jsonl([plain_chat(1)]).replace('"human"', '"gpt"').encode().strip(), "not system first"),
        (jsonl([plain_chat(1)]).replace("Question", "\\ud83d").encode().strip(), "half a surrogate pair"),
        (b"[" * 100_000, "not JSON"),
    ],
    ids=["no JSON", "no UTF-8", "no chat", "out of turn", "half a character", "deep"],
)
def test_a_line_that_is_no_chat_is_told_with_file_and_line(path: Path, line: bytes, words: str) -> None:
    path.write_bytes(path.read_bytes() + b"\n" + line + b"\n")
    with pytest.raises(UserError, match=f"^{path}:62: .*{words}"):
        list(rows.over(rows.pieces(path, 3000), ids))


def test_many_pieces_are_worked_on_by_several_processes_and_come_back_in_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "PIECE", 500)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    parts = rows.pieces(path, 500)
    assert [one for some in rows.over(parts, ids) for one in some] == [chat["id"] for chat in CHATS]
    assert os.getpid() not in set(rows.over(parts, who))


def test_few_chats_need_no_other_process(path: Path) -> None:
    assert set(rows.over(rows.pieces(path, 500), who)) == {os.getpid()}


def test_an_error_in_a_worker_is_the_stages_own(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "PIECE", 500)
    with pytest.raises(UserError, match="the piece at 0"):
        list(rows.over(rows.pieces(path, 500), fail))


def test_a_worker_that_is_killed_ends_the_stage_in_a_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "PIECE", 500)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    with pytest.raises(UserError, match="killed from outside; is there enough memory"):
        list(rows.over(rows.pieces(path, 500), die))


SLEEPERS = """
import os, sys, time
from stages.common import rows
rows.PIECE = 500
def sleep(piece):
    os.write(1, b"%d\\n" % os.getpid())  # at once: two workers' halves of lines would mix
    time.sleep(60)
list(rows.over(rows.pieces(sys.argv[1], 500), sleep))
"""


def test_workers_end_with_a_parent_that_is_killed(path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", SLEEPERS, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    parent.kill()
    parent.wait()
    until = time.monotonic() + 10
    while left := [worker for worker in workers if Path(f"/proc/{worker}").exists()]:
        assert time.monotonic() < until, left
        time.sleep(0.05)
    parent.stdout.close()
