"""The list of those to forget: it names nobody, knows everybody again, and a broken line is one sentence."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.common import forgetting
from stages.common.errors import UserError
from stages.common.forgetting import Forgotten

ROOT = Path(__file__).resolve().parents[2]
SALT = "0123456789abcdef" * 2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "raw" / "forget.txt"


def test_an_id_that_was_added_is_held_and_stands_nowhere_in_the_file(path: Path) -> None:
    assert forgetting.add(path, ["user-1", "chat-7"]) == 2
    forgotten = forgetting.read(path)
    assert forgotten.holds(["user-1"]) and forgotten.holds(["unknown", "chat-7"])
    assert not forgotten.holds(["user-2"]) and not forgotten.holds([])
    assert "user-1" not in path.read_text()


def test_the_hash_is_the_documented_one(path: Path) -> None:
    path.parent.mkdir(parents=True)
    digest = hashlib.sha256(f"{SALT}\nuser-1".encode()).hexdigest()
    path.write_text(f"salt: {SALT}\n# a comment\n\n{digest}\n")
    assert forgetting.read(path).holds(["user-1"])


def test_where_there_is_no_file_nobody_is_forgotten(path: Path) -> None:
    assert forgetting.read(path) == Forgotten()
    assert not Forgotten().holds(["user-1", ""])


def test_ids_are_the_same_in_both_forms_of_unicode_and_with_space_around_them(path: Path) -> None:
    assert forgetting.add(path, ["Zoe\u0308 ", "Zoë", "", "  "]) == 1
    assert forgetting.read(path).holds([" Zoe\u0308"])


def test_a_repeated_id_is_not_added_twice_and_what_stands_in_the_file_stays(path: Path) -> None:
    forgetting.add(path, ["user-1"])
    path.write_text(path.read_text() + "# asked by letter, 3 May\n")
    before = path.read_text()
    assert forgetting.add(path, ["user-1"]) == 0
    assert path.read_text() == before
    assert forgetting.add(path, ["user-2", "user-1", "user-2"]) == 1
    assert path.read_text().startswith(before)
    assert forgetting.read(path).holds(["user-1"]) and forgetting.read(path).holds(["user-2"])


def test_every_new_file_has_a_salt_of_its_own_so_that_two_lists_cannot_be_compared(tmp_path: Path) -> None:
    texts = []
    for name in ("one", "two"):
        forgetting.add(tmp_path / name, ["user-1"])
        texts.append((tmp_path / name).read_text())
    lines = [text.splitlines() for text in texts]
    assert all(re.fullmatch(r"salt: [0-9a-f]{32}\n[0-9a-f]{64}\n", text) for text in texts)
    assert lines[0][0] != lines[1][0] and lines[0][1] != lines[1][1]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("user-1\n", 1),
        (f"salt: {SALT[:-1]}\n", 1),
        (f"salt: {SALT.upper()}\n", 1),
        (f"# salt below\nsalt: {SALT}\n", 1),
        (f"salt: {SALT}\n# fine\nuser-1\n", 3),
        (f"salt: {SALT}\n{'a' * 63}\n", 2),
        (f"salt: {SALT}\n{'a' * 64} user-1\n", 2),
    ],
)
def test_a_line_of_another_form_is_one_sentence_with_its_place_and_nothing_is_added(path: Path, text: str, line: int) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text)
    for ask in (lambda: forgetting.read(path), lambda: forgetting.add(path, ["user-1"])):
        with pytest.raises(UserError) as told:
            ask()
        assert str(told.value).startswith(f"{path}:{line}: ") and "\n" not in str(told.value)
    assert path.read_text() == text


def test_of_two_who_add_at_once_none_is_lost(path: Path) -> None:
    code = "import sys; from stages.common import forgetting; [forgetting.add(sys.argv[1], [f'{sys.argv[2]}-{n}']) for n in range(30)]"
    both = [subprocess.Popen([sys.executable, "-c", code, str(path), who], cwd=ROOT) for who in ("a", "b")]
    assert [process.wait() for process in both] == [0, 0]
    forgotten = forgetting.read(path)
    assert all(forgotten.holds([f"{who}-{n}"]) for who in ("a", "b") for n in range(30))
    assert list(path.parent.iterdir()) == [path]


@given(st.lists(st.text(), max_size=5), st.text())
def test_just_what_was_added_is_held(tmp_path_factory: pytest.TempPathFactory, ids: list[str], other: str) -> None:
    path = tmp_path_factory.mktemp("forget") / "forget.txt"
    forgetting.add(path, ids)
    forgotten = forgetting.read(path)
    assert all(forgotten.holds([each]) for each in ids if each.strip())
    assert forgotten.holds([other]) <= (forgetting._hash(forgotten.salt, other) in {forgetting._hash(forgotten.salt, each) for each in ids})
