"""What others wrote moves no cursor, sets no title and turns no letters around in the terminal of whoever reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.common.errors import UserError, printable
from stages.common.errors import run as ends
from tests.chats import gold_line
from tests.common.stub_endpoint import Endpoint, Reply
from tests.project import ROOT, Project, project  # noqa: F401
from tests.synthesize import holmes
from tests.synthesize.holmes import curated  # noqa: F401

# A new title, a clipboard's content, a cleared screen, C1's own CSI, a backspace, a return over the line, right to left, letters nobody sees.
HOSTILE = "a\x1b]0;owned\x07b\x1b]52;c;b3duZWQ=\x07c\x1b[2Jd\x9b31me\x08\rf\u202eg\u2066h\U000e0041i\u2028j"
ORDERS = set("\x1b\x07\x9b\x08\r\u202e\u2066\U000e0041\u2028")


def orders(told: str) -> set[str]:
    """What in a text a terminal would obey."""
    return {letter for letter in told if letter in ORDERS}


def test_every_command_is_shown_as_python_writes_it_and_words_stay_as_they_are() -> None:
    assert printable("\x1b[2J\x9b\u202e\ud800\x00") == r"\x1b[2J\x9b\u202e\ud800\x00"
    for words in ("Tab\there,\nand a new line", "naïve — “quotes” 日本語 العربية עברית 👩‍🚀 e\u0301", r"\x1b as text"):
        assert printable(words) == words
    assert not orders(printable(HOSTILE))
    assert printable(printable(HOSTILE)) == printable(HOSTILE)
    told = printable("".join(map(chr, range(sys.maxunicode + 1))))
    assert not any(letter < " " and letter not in "\n\t" or "\x7f" <= letter <= "\x9f" or "\ud800" <= letter <= "\udfff" for letter in told)
    told.encode()


@pytest.mark.parametrize("error", [UserError(HOSTILE), OSError(2, "No such file", HOSTILE), UserError("half a pair: \ud800")])
def test_no_error_sentence_holds_a_command(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    def stage() -> None:
        raise error

    with pytest.raises(SystemExit):
        ends(stage)
    told = capsys.readouterr().err
    assert told.startswith("error: ") and not orders(told)


def tool(folder: Path, *arguments: str) -> str:
    """All that a tool says."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=folder, env=environment, capture_output=True, timeout=60)
    told = (done.stdout + done.stderr).decode("utf-8", "surrogateescape")
    assert "Traceback" not in told, told
    return told


def test_curate_tells_of_a_rejected_line_without_its_commands(project: Project) -> None:  # noqa: F811
    bad = json.dumps({"conversations": [{"from": HOSTILE, "value": HOSTILE}]}, ensure_ascii=False)
    project.write("data/gold/sherlock-holmes.jsonl", gold_line("A?", "B.") + "\n" + bad + "\n")
    done = project.run("curate")
    assert "1 of 2 rejected" in done.stdout
    assert not orders(done.stdout)


def test_a_card_that_is_checked_or_converted_gives_the_terminal_nothing(tmp_path: Path) -> None:
    card = json.loads((ROOT / "data/characters/sherlock-holmes.json").read_text())
    card["data"]["name"] = HOSTILE
    (tmp_path / "good.json").write_text(json.dumps(card))
    (tmp_path / "bad.json").write_text(json.dumps({"spec": HOSTILE, "data": {HOSTILE: HOSTILE}}))
    (tmp_path / f"none{HOSTILE.replace('/', '')}.json").write_text("{")
    files = sorted(path.name for path in tmp_path.iterdir())
    assert not orders(tool(tmp_path, "tools.card", "check", *files))
    assert not orders(tool(tmp_path, "tools.card", "convert", "good.json", "out.png"))


def test_ratings_that_somebody_sent_back_give_the_terminal_nothing(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/ab-key.json").write_text(json.dumps({"answers": "a" * 64, "page": "b" * 64, "items": []}))
    rating = {"format": "dramatis-rating-1", "answers": "a" * 64, "page": "b" * 64, "rater": HOSTILE, "ratings": []}
    for name, content in (("empty.json", rating), ("other.json", rating | {"answers": HOSTILE}), ("list.json", [{HOSTILE: HOSTILE}])):
        (tmp_path / name).write_text(json.dumps(content))
        assert not orders(tool(tmp_path, "tools.ratings", "import", name))


def test_an_endpoints_words_give_the_terminal_nothing(curated: Path, tmp_path: Path) -> None:  # noqa: F811
    with Endpoint(lambda body, count: Reply({"error": {"message": HOSTILE}}, 401)) as stub:
        done = holmes.synthesize(holmes.project(curated, tmp_path / "project", chats=2, base_url=stub.url))
    said = [line for line in done.stderr.split("\n") if "error: " in line]
    assert len(said) == 1 and "answered 401" in said[0]
    assert not orders(said[0].rpartition("\r")[2])
