"""The store of paid answers: what is in it stays, whatever happens to file, disk and processes."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stages.common.answer_store import Answer, AnswerStore, key
from stages.common.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
YES, NO = Answer("Yes.", "stop", 10, 5), Answer("No.", "length", 20, 7)
NAME = "ab" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.sqlite"


def test_what_was_put_is_found_by_its_key_also_by_another_process(path: Path) -> None:
    with AnswerStore(path) as store:
        assert store.put({NAME: YES, "cd" * 32: NO}) == 2
        assert store.find([NAME, "ef" * 32]) == {NAME: YES}
        code = f"from stages.common.answer_store import *; print(AnswerStore(Path({str(path)!r})).find([{NAME!r}]))"
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip() == str({NAME: YES})


def test_an_answer_that_is_there_stays_as_it_is(path: Path) -> None:
    with AnswerStore(path) as store:
        store.put({NAME: YES})
        assert store.put({NAME: NO, "cd" * 32: NO}) == 1
        assert store.find([NAME]) == {NAME: YES}


def test_more_keys_than_one_query_takes_are_found(path: Path) -> None:
    answers = {key("e", n, {}): Answer(str(n), "stop", n, n) for n in range(3001)}
    with AnswerStore(path) as store:
        store.put(answers)
        assert store.find(answers) == answers


@given(
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=3), max_size=3), st.integers(0, 3), st.sampled_from(["http://a/v1", "http://b/v1"])
)
def test_a_key_is_the_same_for_the_same_request_and_another_for_any_other(body: dict, index: int, endpoint: str) -> None:
    name = key(endpoint, index, body)
    assert name == key(endpoint, index, dict(reversed(body.items()))) and len(name) == 64
    assert name not in (key(endpoint, index + 1, body), key(endpoint + "/", index, body), key(endpoint, index, {**body, "seed of its own": 1}))


def test_a_key_stands_for_text_that_is_no_utf_8() -> None:
    assert len(key("e", 0, {"content": "\ud83d"})) == 64


def test_keys_stay_what_they_are_from_one_version_to_the_next() -> None:
    """A changed key would pay for everything again."""
    assert key("http://a/v1", 3, {"model": "m", "messages": []}) == "f68f39fe91bc3cc6b0a47096ffe05e2660cf11e4addd49231bedaf2dddfb539f"


def test_a_store_in_memory_is_one_of_its_own() -> None:
    with AnswerStore(None) as store, AnswerStore(None) as other:
        store.put({NAME: YES})
        assert store.find([NAME]) and not other.find([NAME])
        assert store.claim(NAME) and other.claim(NAME)


HOLDER = f"""
import sys, time
from pathlib import Path
from stages.common.answer_store import AnswerStore
store = AnswerStore(Path(sys.argv[1]))
print(store.claim({NAME!r}), flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen]:
    """Another process that has claimed NAME."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == "True"
    yield process
    process.kill()
    process.communicate()


def test_a_claim_holds_against_another_process_until_that_is_killed(path: Path, holder: subprocess.Popen) -> None:
    with AnswerStore(path) as store:
        assert not store.claim(NAME)
        assert store.claim("cd" * 32)
        holder.kill()
        holder.wait()
        assert store.claim(NAME)


def test_a_claim_that_was_given_back_is_free(path: Path) -> None:
    with AnswerStore(path) as store:
        assert store.claim(NAME) and store.claim("cd" * 32)
        store.release(NAME)
        code = f"from stages.common.answer_store import *; s = AnswerStore(Path({str(path)!r})); print(s.claim({NAME!r}), s.claim({'cd' * 32!r}))"
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split() == ["True", "False"]


def test_nobody_else_on_the_machine_can_read_it(path: Path) -> None:
    with AnswerStore(path) as store:
        store.put({NAME: YES})
        assert {file.stat().st_mode & 0o077 for file in path.parent.iterdir()} == {0}


def test_many_processes_begin_one_store_at_once(path: Path) -> None:
    code = (
        "import sys; from stages.common.answer_store import *; sys.stdin.read(); s = AnswerStore(Path(sys.argv[1])); s.put({sys.argv[2]: Answer('', '', 0, 0)})"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(path), str(n)], cwd=ROOT, stdin=subprocess.PIPE) for n in range(8)]
    for process in started:
        process.stdin.close()
    assert [process.wait() for process in started] == [0] * 8
    with AnswerStore(path) as store:
        assert len(store.find(map(str, range(8)))) == 8


def fails(path: Path) -> str:
    """The one sentence with which a store fails that is opened, written and read; it names the file."""
    with pytest.raises(UserError) as failure, AnswerStore(path) as store:
        store.put({NAME: YES})
        store.find([NAME])
    said = str(failure.value)
    assert str(path) in said and "\n" not in said
    return said


def test_a_file_that_is_no_store_is_told_and_stays_as_it_is(path: Path) -> None:
    path.write_text('{"this": "is JSON"}\n' * 100)
    before = path.read_bytes()
    said = fails(path)
    assert "not a database" in said and "Move it away: the file of answers that the pipeline keeps fills a new one" in said
    assert path.read_bytes() == before


def test_a_database_of_somebody_else_is_told(path: Path) -> None:
    with sqlite3.connect(path) as rows:
        rows.execute("CREATE TABLE answers (question TEXT)")
    assert "answers" in fails(path)


@given(st.integers(0, 2**32))
@example(304)  # a line end among the broken bytes that SQLite quotes
def test_a_store_with_broken_bytes_gives_its_answers_or_a_sentence_but_never_a_wrong_one_of_another_key(seed: int) -> None:
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answers.sqlite"
        answers = {key("e", n, {}): Answer(str(n) * 50, "stop", n, n) for n in range(50)}
        with AnswerStore(path) as store:
            store.put(answers)
        content = bytearray(path.read_bytes())
        for _ in range(draw.randint(1, 400)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(content[: draw.choice([len(content), draw.randrange(len(content))])])
        try:
            with AnswerStore(path) as store:
                found = store.find(answers)
                store.put({NAME: YES})
        except UserError as error:
            assert str(path) in str(error) and "\n" not in str(error)
        else:
            assert set(found) <= set(answers)


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that nobody may write to; root, who may everything, is somebody else meanwhile."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o555)
        was = os.geteuid()
        if was == 0:
            os.seteuid(65534)
        yield folder
        os.seteuid(was)
        folder.chmod(0o755)


def test_a_folder_that_may_not_be_written_to_is_told(read_only: Path) -> None:
    assert "Permission denied" in fails(read_only / "answers.sqlite")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "No such file or directory" in fails(tmp_path / "nowhere" / "answers.sqlite")


def test_a_store_that_is_full_tells_so_and_keeps_what_it_has_and_takes_more_when_there_is_room(path: Path) -> None:
    with AnswerStore(path) as store:
        store.put({NAME: YES})
        store._rows.execute("PRAGMA max_page_count = 4")
        with pytest.raises(UserError, match="full") as failure:
            store.put({"cd" * 32: Answer("x" * 100_000, "stop", 1, 1)})
        assert str(path) in str(failure.value)
        assert store.find([NAME, "cd" * 32]) == {NAME: YES}
        store._rows.execute("PRAGMA max_page_count = 1000")
        assert store.put({"cd" * 32: NO}) == 1
