"""The stage on real files: in = train + validation + test + rejected, and the proof stands in the metrics."""

from __future__ import annotations

import pytest

from stages.common.holdout import SPLITS
from tests.chats import chats_in, jsonl, make_chat, plain_chat
from tests.project import Project

FILTERED = "data/filtered/chats.jsonl"
TRAIN, VALIDATION, TEST = (chats_in(name, 4) for name in SPLITS)
WRITTEN = [plain_chat(700, kind="synthetic"), make_chat("New?", TEST[0]["conversations"][2]["value"], kind="synthetic")]


def test_every_chat_is_in_one_split_or_rejected(project: Project) -> None:
    project.write(FILTERED, jsonl([*TRAIN, *VALIDATION, *TEST, *WRITTEN]))
    done = project.run("split")
    assert (done.returncode, done.stderr) == (0, "")
    assert project.records("data/splits/train.jsonl") == [*TRAIN, WRITTEN[0]]
    assert project.records("data/splits/validation.jsonl") == VALIDATION
    assert project.records("data/splits/test.jsonl") == TEST
    assert [(reject["id"], reject["rule"]) for reject in project.records("data/splits/rejects.jsonl")] == [(WRITTEN[1]["id"], "leak")]
    assert project.metrics("split") == {
        "in": 14,
        "train": 5,
        "validation": 4,
        "test": 4,
        "train_synthetic": 1,
        "rejected": 1,
        "shared_chats": 0,
        "shared_replies": 0,
        "shared_openings": 0,
        "synthetic_held_out": 0,
    }


def test_twice_gives_the_same_bytes_whatever_pythons_hashes(tmp_path) -> None:
    results = []
    for seed in ("0", "31"):
        project = Project(tmp_path / seed)
        project.write(FILTERED, jsonl([*TRAIN, *VALIDATION, *TEST, *WRITTEN]))
        assert project.run("split", PYTHONHASHSEED=seed).returncode == 0
        results.append(project.written("split"))
    assert results[0] == results[1] and len(results[0]) == 5


def test_another_seed_makes_other_splits(project: Project) -> None:
    project.set("holdout.seed", 1896)
    project.write(FILTERED, jsonl(plain_chat(n) for n in range(60)))
    assert project.run("split").returncode == 0
    drawn = {chat["id"] for chat in project.records("data/splits/test.jsonl")}
    assert drawn and drawn != {chat["id"] for chat in chats_in("test", 60) if chat["id"] in {plain_chat(n)["id"] for n in range(60)}}


@pytest.mark.parametrize(
    "content, said",
    [
        (jsonl([*TRAIN, *TEST]), "no chat falls to validation of 8: more gold chats, or other holdout.* shares in params.yaml"),
        ("", "no chat falls to train, validation, test of 0"),
        (jsonl(TRAIN) + "{oops\n", f"{FILTERED}:5: not JSON: "),
        (jsonl([*TRAIN, {"id": "x"}]), f"{FILTERED}:5: "),
        (jsonl([{**TRAIN[0], "conversations": TRAIN[0]["conversations"][:1] * 3}]), f"{FILTERED}:1: "),
        (jsonl(TRAIN).replace("Question", "Question \\ud800", 1), f"{FILTERED}:1: "),
    ],
    ids=["no validation", "nothing", "not JSON", "no chat", "only system turns", "half a character"],
)
def test_an_input_that_cannot_be_split_is_one_sentence_and_leaves_earlier_outputs(project: Project, content: str, said: str) -> None:
    project.write(FILTERED, content)
    assert said in project.refused("split")


def test_a_missing_input_is_one_sentence(project: Project) -> None:
    assert project.refused("split") == f"{FILTERED}: no such file"
