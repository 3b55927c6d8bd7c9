"""The stage on real files: in = train + validation + test + rejected, and the proof stands in the metrics."""

from __future__ import annotations

import pytest

from stages.common.chats import out_of_turn
from stages.common.holdout import SPLITS
from stages.common.schemas import fault
from tests.chats import chats_in, jsonl, make_chat, plain_chat
from tests.project import ROOT, Project

FILTERED = "data/filtered/chats.jsonl"
TRAIN, VALIDATION, TEST = (chats_in(name, 4) for name in SPLITS)
WRITTEN = [plain_chat(700, kind="synthetic"), make_chat("New?", TEST[0]["conversations"][2]["value"], kind="synthetic")]


def test_every_chat_is_in_one_split_or_rejected(project: Project) -> None:
    project.write(FILTERED, jsonl([*TRAIN, *VALIDATION, *TEST, *WRITTEN]))
    done = project.run("split")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "split: 5 training chats: fewer than the guide's table begins with; for character chat it starts with 1,000 to 3,000",
        "split: sherlock-holmes has 4 test chats, fewer than 15: figures over them will have wide intervals",
    ]
    assert project.records("data/splits/train.jsonl") == [*TRAIN, WRITTEN[0]]
    assert project.records("data/splits/validation.jsonl") == VALIDATION
    assert project.records("data/splits/test.jsonl") == TEST
    assert [(reject["id"], reject["rule"]) for reject in project.records("data/splits/rejects.jsonl")] == [(WRITTEN[1]["id"], "leak")]
    metrics = project.metrics("split")
    assert fault("metrics", metrics) is None
    assert metrics == {
        "in": 14,
        "train": 5,
        "validation": 4,
        "test": 4,
        "train_synthetic": 1,
        "train_replay": 0,
        "rejected": 1,
        "size_class": 0,
        "groups": 12,
        "groups_validation": 4,
        "groups_validation_expected": 1.2,
        "groups_validation_lower": 0,
        "groups_validation_upper": 4,
        "groups_test": 4,
        "groups_test_expected": 2.4,
        "groups_test_lower": 0,
        "groups_test_upper": 5,
        "test_sherlock-holmes": 4,
        "shared_chats": 0,
        "shared_groups": 0,
        "shared_replies": 0,
        "shared_openings": 0,
        "shared_13grams": 0,
        "common_13grams": 0,
        "near_duplicates": 0,
        "synthetic_held_out": 0,
        **{f"jaccard_{pair}{end}": 0.0 for pair in ("train_validation", "train_test", "validation_test") for end in ("", "_searched")},
    }


def test_replayed_chats_come_into_train_alone_and_a_limit_leaves_rejects(project: Project) -> None:
    project.write(FILTERED, jsonl([*TRAIN, *VALIDATION, *TEST]))
    project.write("data/replay/plain.jsonl", (ROOT / "data/replay/plain.jsonl").read_bytes())
    project.set("split.replay_share", 0.4)
    project.set("split.train_limit", 3)
    done = project.run("split")
    assert (done.returncode, done.stderr) == (0, "")
    train = project.records("data/splits/train.jsonl")
    assert [chat["source"]["kind"] for chat in train] == ["gold"] * 3 + ["replay"] * 2
    assert [fault("chat", chat) or out_of_turn(chat) for chat in train] == [None] * 5
    assert {chat["conversations"][0]["from"] for chat in train[3:]} == {"human"}, "the template puts in the base's own system prompt"
    assert project.records("data/splits/test.jsonl") == TEST and project.records("data/splits/validation.jsonl") == VALIDATION
    (reject,) = project.records("data/splits/rejects.jsonl")
    assert (reject["rule"], reject["expected"], fault("reject", reject)) == ("train_limit", "3 training chats (split.train_limit)", None)
    metrics = project.metrics("split")
    assert (metrics["in"], metrics["train"], metrics["train_replay"], metrics["rejected"]) == (14, 5, 2, 1)


def test_too_few_plain_chats_are_told(project: Project) -> None:
    project.write(FILTERED, jsonl([*TRAIN, *VALIDATION, *TEST]))
    turns = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "That."}]
    project.write("data/replay/mine.jsonl", jsonl([{"license": "MIT", "conversations": turns}]))
    project.set("split.replay_share", 0.5)
    done = project.run("split")
    assert done.returncode == 0
    assert "split: 1 plain chats for the 4 that split.replay_share asks for: put more into data/replay\n" in done.stdout


def test_no_old_chat_moves_when_new_ones_come(project: Project) -> None:
    """Not even the lines of the files: new ones stand between them."""

    def homes() -> dict[str, str]:
        assert project.run("split").returncode == 0
        return {chat["id"]: name for name in SPLITS for chat in project.records(f"data/splits/{name}.jsonl")}

    project.write(FILTERED, jsonl(plain_chat(n) for n in range(0, 90, 3)))
    before = homes()
    project.write(FILTERED, jsonl(plain_chat(n) for n in range(90)))
    after = homes()
    assert len(before) == 30 and len(after) == 90
    assert {name: after[name] for name in before} == before


def test_a_broken_partition_is_found_by_the_proof_which_names_the_pair(project: Project) -> None:
    """The partition is made to find nothing; the stage must not believe it, and must leave what an earlier run wrote."""
    path = project.folder / "stages/split/partition.py"
    path.write_text(path.read_text().replace("    for split, homes in ORDER:\n", "    for split, homes in ():\n"))
    project.write(FILTERED, jsonl([*TRAIN, *VALIDATION, *TEST, *WRITTEN]))
    said = project.refused("split")
    assert said == f"the splits leak, by shared_replies 1: train chat {WRITTEN[1]['id']} and test chat {TEST[0]['id']}"


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
