"""tools/explain on files as the stages write them: every way that a chat's life can go, and what is said where files are missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chats import jsonl, make_chat, plain_chat
from tests.project import ROOT

KEY = "ab" * 32


def gold(number: int, line: int) -> dict:
    return plain_chat(number, file="data/gold/sherlock-holmes.jsonl", line=line)


PARENTS = [gold(1, 1), gold(2, 2)]
TESTED, LEAKED = gold(3, 3), gold(4, 4)
LONG = make_chat("One?", "A long reply to it.", "Two?", "Another, longer still.", file="data/raw/log.jsonl", line=7)
CUT = make_chat("One?", "A long reply to it.", file="data/raw/log.jsonl", line=7, cut_from=LONG["id"])
WRITTEN = plain_chat(5, kind="synthetic", parents=[chat["id"] for chat in PARENTS], scenario="stolen-goose", teacher="writer", request=KEY, file="x") | {
    "visitor": "a young cabman"
}
TWIN = plain_chat(6, kind="synthetic", parents=[PARENTS[1]["id"]], scenario="fog", teacher="writer", request="cd" * 32)
PLAIN = plain_chat(8, character="plain", kind="replay", file="data/replay/plain.jsonl", line=3)
FILES = {
    "data/curated/chats.jsonl": jsonl([*PARENTS, TESTED, LEAKED, LONG]),
    "data/curated/rejects.jsonl": jsonl([{"file": "data/raw/log.jsonl", "line": 9, "rule": "turns", "found": "none", "expected": "an exchange"}]),
    "data/synthetic/chats.jsonl": jsonl([WRITTEN, TWIN]),
    "data/synthetic/rejects.jsonl": jsonl([{"request": n, "attempt": 1, "rule": "parse.turns", "found": f"gpt {n}", "expected": "human"} for n in (4, 41, 14)]),
    "data/synthetic/answers.jsonl": jsonl([{"request": n, "key": f"{n:02}" * 32} for n in (3, 41)] + [{"request": 4, "key": KEY, "text": "..."}]),
    "data/filtered/chats.jsonl": jsonl([*PARENTS, TESTED, LEAKED, CUT, WRITTEN]),
    "data/filtered/rejects.jsonl": jsonl(
        [{"id": TWIN["id"], "rule": "duplicate.near", "found": WRITTEN["id"], "expected": "less than 0.8 of the trigrams in common, not 0.912", "chat": TWIN}]
    ),
    "data/splits/train.jsonl": jsonl([*PARENTS, CUT, WRITTEN, PLAIN]),
    "data/splits/validation.jsonl": "",
    "data/splits/test.jsonl": jsonl([TESTED]),
    "data/splits/rejects.jsonl": jsonl(
        [{"id": LEAKED["id"], "rule": "leak", "found": "the words", "expected": f"nothing of test chat {TESTED['id']} in train", "chat": LEAKED}]
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path, content in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content, encoding="utf-8")
    return tmp_path


def explain(folder: Path, chat: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-m", "tools.explain", chat], cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def told(folder: Path, chat: str) -> list[str]:
    done = explain(folder, chat)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def refused(folder: Path, chat: str) -> str:
    """The one sentence."""
    done = explain(folder, chat)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    return done.stderr.removeprefix("error: ").strip()


def test_a_gold_chat_has_a_source_line_children_and_a_split(folder: Path) -> None:
    assert told(folder, PARENTS[1]["id"]) == [
        PARENTS[1]["id"],
        "curate: from data/gold/sherlock-holmes.jsonl:2 (gold, CC-BY-4.0, 1 exchange), now data/curated/chats.jsonl:2",
        f"synthesize: shown to the teacher for 2 chats that it wrote: {WRITTEN['id']}, {TWIN['id']}",
        "filter: kept, data/filtered/chats.jsonl:2",
        "split: train, data/splits/train.jsonl:2",
    ]


def test_a_written_chat_has_a_request_a_scenario_parents_and_the_attempts_before_it(folder: Path) -> None:
    assert told(folder, WRITTEN["id"]) == [
        WRITTEN["id"],
        "synthesize: written by writer (synthetic, CC-BY-4.0, 1 exchange), now data/synthetic/chats.jsonl:1",
        f"  request 4, key {KEY}",
        "  scenario: stolen-goose; visitor: a young cabman",
        f"  parents, the chats that the teacher was shown: {PARENTS[0]['id']}, {PARENTS[1]['id']}",
        "  attempt 1 was rejected by parse.turns: found gpt 4, expected human",
        "filter: kept, data/filtered/chats.jsonl:6",
        f"  it stands for 1 dropped as its duplicates: {TWIN['id']}",
        "split: train, data/splits/train.jsonl:4",
    ]


def test_a_dropped_chat_has_rule_figure_threshold_and_the_one_that_was_kept_in_its_stead(folder: Path) -> None:
    said = told(folder, TWIN["id"])
    assert said[-2:] == [
        f"filter: dropped by duplicate.near: found {WRITTEN['id']}, expected less than 0.8 of the trigrams in common, not 0.912 (data/filtered/rejects.jsonl:1)",
        f"  kept in its stead: {WRITTEN['id']}",
    ]
    assert not [line for line in said if line.startswith("split")]


@pytest.mark.parametrize("asked", [LONG, CUT], ids=["the old id", "the new id"])
def test_a_cut_chat_is_one_chat_under_both_ids(folder: Path, asked: dict) -> None:
    assert told(folder, asked["id"]) == [
        asked["id"],
        "curate: from data/raw/log.jsonl:7 (gold, CC-BY-4.0, 2 exchanges), now data/curated/chats.jsonl:5",
        f"filter: kept, cut to 1 exchange to fit the model: {LONG['id']} became {CUT['id']}, data/filtered/chats.jsonl:5",
        "split: train, data/splits/train.jsonl:3",
    ]


def test_a_chat_that_split_rejects_says_why_and_one_of_test_says_so(folder: Path) -> None:
    assert told(folder, LEAKED["id"])[-1] == (
        f"split: rejected by leak: found the words, expected nothing of test chat {TESTED['id']} in train (data/splits/rejects.jsonl:1)"
    )
    assert told(folder, TESTED["id"])[-1] == "split: test, data/splits/test.jsonl:1"


def test_the_beginning_of_an_id_is_enough_where_no_other_begins_so(folder: Path) -> None:
    assert told(folder, WRITTEN["id"][:-4]) == told(folder, WRITTEN["id"])
    said = refused(folder, "sherlock-holmes-synthetic-")
    assert said == f"sherlock-holmes-synthetic- begins the ids of several chats: {WRITTEN['id']}, {TWIN['id']}"


def test_an_unknown_id_is_told_the_nearest(folder: Path) -> None:
    wrong = WRITTEN["id"][:-3] + ("0" if WRITTEN["id"][-3] != "0" else "1") + WRITTEN["id"][-2:]
    said = refused(folder, wrong)
    assert said.startswith(f"no chat of this pipeline has an id that begins with {wrong}; the nearest ids: {WRITTEN['id']}, ")
    assert "not there" not in said


def test_a_line_of_a_source_that_curate_rejected_says_why(folder: Path) -> None:
    expected = ["data/raw/log.jsonl:9", "curate: rejected by turns: found none, expected an exchange (data/curated/rejects.jsonl:1)"]
    assert told(folder, "data/raw/log.jsonl:9") == expected
    assert told(folder, "./data/raw/log.jsonl:9")[1:] == expected[1:]


def test_a_line_of_a_source_that_became_a_chat_tells_its_life(folder: Path) -> None:
    assert told(folder, "data/raw/log.jsonl:7") == told(folder, LONG["id"])


def test_a_line_of_which_curate_knows_nothing_is_refused(folder: Path) -> None:
    assert refused(folder, "data/raw/log.jsonl:8").startswith("curate has neither a chat nor a reject of data/raw/log.jsonl:8; ")


def test_stages_that_have_not_run_are_said(folder: Path) -> None:
    for path in ("data/splits/test.jsonl", "data/splits/train.jsonl", "data/synthetic/answers.jsonl"):
        (folder / path).unlink()
    said = told(folder, WRITTEN["id"])
    assert said[2] == f"  request ?, key {KEY}; data/synthetic/answers.jsonl is not there"
    assert said[-1] == "split: has not run, data/splits/train.jsonl, data/splits/test.jsonl are not there; run dvc repro split"
    assert refused(folder, "nobody").endswith("; not there: data/splits/train.jsonl, data/splits/test.jsonl")
    for path in FILES:
        (folder / path).unlink(missing_ok=True)
    assert refused(folder, "nobody") == "no stage has written any chat here yet; run dvc repro, or dvc pull"
    assert refused(folder, "a.jsonl:1") == ("curate has not run: data/curated/chats.jsonl, data/curated/rejects.jsonl are not there; run dvc repro curate")


def test_a_stage_that_is_older_than_the_chat_is_said(folder: Path) -> None:
    for path in ("data/filtered/chats.jsonl", "data/splits/train.jsonl"):
        (folder / path).write_text("", encoding="utf-8")
    said = told(folder, PARENTS[0]["id"])
    assert said[-2].startswith("filter: its files do not hold it") and said[-1].startswith("split: its files do not hold it")


def test_a_broken_line_is_one_sentence_and_hostile_text_does_nothing_to_a_terminal(folder: Path) -> None:
    evil = {"id": TESTED["id"], "rule": "x\x1b[31m", "found": "\u202e\n" + "y" * 5000, "expected": 1, "chat": TESTED}
    (folder / "data/filtered/rejects.jsonl").write_text(jsonl([evil]), encoding="utf-8")
    said = told(folder, TESTED["id"])
    assert len(said) == 5 and all(line.isprintable() and len(line) < 600 for line in said)
    (folder / "data/filtered/rejects.jsonl").write_text(f'{{"id": "{TESTED["id"]}", ', encoding="utf-8")
    assert refused(folder, TESTED["id"]).startswith("data/filtered/rejects.jsonl:1: not JSON: ")


@pytest.mark.parametrize("asked", [PLAIN["id"], "data/replay/plain.jsonl:3"], ids=["id", "line"])
def test_a_plain_chat_comes_in_with_split(folder: Path, asked: str) -> None:
    done = explain(folder, asked)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        PLAIN["id"],
        "split: a plain chat, drawn from data/replay/plain.jsonl:3 for split.replay_share",
        "split: train, data/splits/train.jsonl:5",
    ]
