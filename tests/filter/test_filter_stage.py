"""The stage on real files: kept and dropped make up what came in, and every drop can be read."""

from __future__ import annotations

import random

import pytest

from stages.common.holdout import split_of
from stages.common.schemas import fault
from tests.chats import HOLDOUT, jsonl, make_chat, plain_chat, prose
from tests.project import ROOT, Project

CURATED, SYNTHETIC = "data/curated/chats.jsonl", "data/synthetic/chats.jsonl"
GOLD = [plain_chat(n) for n in range(6)] + [make_chat("Short?", "Yes.")]
WRITTEN = [
    plain_chat(20, kind="synthetic"),
    plain_chat(3, kind="synthetic"),
    make_chat("Who are you?", "As an AI language model, I am nobody in particular, sir.", kind="synthetic"),
    make_chat("Who are you?", "Holmes: " + prose(30), kind="synthetic"),
    make_chat("Again?", f"{prose(31, 6)} {prose(32, 6)} {prose(31, 6)}", kind="synthetic"),
    make_chat(prose(33), prose(33), kind="synthetic"),
]


def laid_out(project: Project, curated: list[dict] = GOLD, synthetic: list[dict] = WRITTEN) -> Project:
    project.write(CURATED, jsonl(curated))
    project.write(SYNTHETIC, jsonl(synthetic))
    return project


def test_kept_and_dropped_are_what_came_in(project: Project) -> None:
    done = laid_out(project).run("filter")
    assert (done.returncode, done.stderr) == (0, "")
    kept, rejects = project.records("data/filtered/chats.jsonl"), project.records("data/filtered/rejects.jsonl")
    assert kept == GOLD[:6] + WRITTEN[:1]
    assert [(reject["rule"], reject["found"], reject["expected"]) for reject in rejects] == [
        ("length.short", 1, 8),
        ("duplicate.exact", GOLD[3]["id"], "each chat once"),
        ("assistant_speech.identity", "As an AI", "no assistant phrase"),
        ("character_break.name_prefix", "Holmes:", "the character speaks as himself"),
        ("repetition.in_reply", 0.667, 0.15),
        ("repetition.across_turns", 1.0, 0.5),
    ]
    assert [reject["chat"] for reject in rejects] == GOLD[6:] + WRITTEN[1:]
    assert [reject["id"] for reject in rejects] == [reject["chat"]["id"] for reject in rejects]
    assert [problem for reject in rejects if (problem := fault("reject", reject))] == []
    assert project.metrics("filter") == {
        "in": 13,
        "kept": 7,
        "dropped": 6,
        "cut": 0,
        "dropped_length": 1,
        "dropped_assistant_speech": 1,
        "dropped_character_break": 1,
        "dropped_repetition": 2,
        "dropped_duplicate": 1,
        "synthetic_in": 6,
        "synthetic_kept": 1,
    }


def test_the_thresholds_are_those_of_the_parameters(project: Project) -> None:
    project.set("filter.min_words", 1)
    project.set("filter.max_words", 19)
    assert laid_out(project, [*GOLD, make_chat("Why?", "Because.")], []).run("filter").returncode == 0
    assert [len(chat["conversations"][2]["value"].split()) for chat in project.records("data/filtered/chats.jsonl")] == [1, 1]
    assert {(r["rule"], r["found"], r["expected"]) for r in project.records("data/filtered/rejects.jsonl")} == {("length.long", 20, 19)}


def test_a_character_of_whom_nothing_is_left_is_told(project: Project) -> None:
    project.write("data/characters/watson.json", (ROOT / "data/characters/sherlock-holmes.json").read_text())
    done = laid_out(project, [*GOLD, plain_chat(60, character="watson"), make_chat("Why?", "Because.", character="watson")], []).run("filter")
    assert (done.returncode, done.stdout) == (0, "")
    done = laid_out(project, [*GOLD, make_chat("Why?", "Because.", character="watson")], []).run("filter")
    assert (done.returncode, done.stdout) == (0, "filter: every chat of watson was dropped; data/filtered/rejects.jsonl says why\n")


def test_a_language_that_nobody_knows_is_refused_beside_one_that_is_known(project: Project) -> None:
    project.set("filter.languages", ["en", "xx"])
    assert laid_out(project).refused("filter").startswith("params.yaml: filter.languages names xx; known are ")


def test_a_least_critique_drops_what_the_critic_scored_lower(project: Project) -> None:
    aspects = ("voice", "in_character", "coherence", "engagement", "length")
    chats = [{**plain_chat(40 + score, kind="synthetic"), "critique": {aspect: {"reason": "So.", "score": score} for aspect in aspects}} for score in (3, 4, 5)]
    project.set("filter.min_critique", 4)
    assert laid_out(project, GOLD[:2], chats).run("filter").returncode == 0
    assert project.records("data/filtered/chats.jsonl") == GOLD[:2] + chats[1:]
    assert [(reject["rule"], reject["found"], reject["expected"]) for reject in project.records("data/filtered/rejects.jsonl")] == [("critique.low", 3.0, 4)]
    assert project.metrics("filter")["dropped_critique"] == 1


def test_twice_gives_the_same_bytes_whatever_pythons_hashes(tmp_path) -> None:
    results = []
    for seed in ("0", "99"):
        project = laid_out(Project(tmp_path / seed))
        assert project.run("filter", PYTHONHASHSEED=seed).returncode == 0
        results.append(project.written("filter"))
    assert results[0] == results[1] and len(results[0]) == 4


def test_the_order_in_which_chats_come_in_does_not_change_which_are_kept(project: Project) -> None:
    shuffled = random.Random(4).sample(WRITTEN, len(WRITTEN))
    assert laid_out(project, GOLD[::-1], shuffled).run("filter").returncode == 0
    assert {chat["id"] for chat in project.records("data/filtered/chats.jsonl")} == {chat["id"] for chat in GOLD[:6] + WRITTEN[:1]}


@pytest.mark.parametrize(
    "path, content, said",
    [
        (CURATED, jsonl(GOLD[:2]) + "{oops\n", f"{CURATED}:3: not JSON: "),
        (SYNTHETIC, '{"id": 1}\n', f"{SYNTHETIC}:1: "),
        (CURATED, "\ufeff" + jsonl(GOLD), f"{CURATED}:1: not JSON: "),
        (CURATED, jsonl([GOLD[6]]), "filter would drop all 1 chats: length.short 1; loosen filter.*"),
        (CURATED, jsonl([plain_chat(1, character="watson")]), "watson"),
        (CURATED, jsonl([make_chat("Half @?", prose(40))]).replace("@", "\\ud800"), f"{CURATED}:1: "),
        (SYNTHETIC, jsonl([plain_chat(1)]).encode("utf-16"), f"{SYNTHETIC}"),
        (CURATED, "", f"no chat in {CURATED} and {SYNTHETIC}; run dvc repro"),
        (CURATED, jsonl([plain_chat(1, kind="replay")]), "of source kind replay; expected gold, log"),
    ],
    ids=["not JSON", "no chat", "BOM", "nothing left", "no card", "half a character", "UTF-16", "empty", "kind"],
)
def test_an_input_that_no_stage_wrote_is_one_sentence_and_leaves_earlier_outputs(project: Project, path: str, content: str | bytes, said: str) -> None:
    laid_out(project, synthetic=[] if path == CURATED else WRITTEN).write(path, content)
    assert said in project.refused("filter")


def test_a_missing_input_and_a_folder_in_its_place_are_one_sentence(project: Project) -> None:
    project.write(CURATED, jsonl(GOLD))
    assert project.refused("filter") == f"{SYNTHETIC}: no such file"
    (project.folder / SYNTHETIC).mkdir(parents=True)
    assert SYNTHETIC in project.refused("filter")


def test_what_was_kept_is_kept_on_a_second_pass(project: Project) -> None:
    assert laid_out(project).run("filter").returncode == 0
    kept = project.records("data/filtered/chats.jsonl")
    assert laid_out(project, kept, []).run("filter").returncode == 0
    assert project.records("data/filtered/chats.jsonl") == kept and project.records("data/filtered/rejects.jsonl") == []


def test_a_rule_can_be_left_out_by_its_name_and_no_other_name_passes(project: Project) -> None:
    project.set("filter.off", ["assistant_speech", "length"])
    assert laid_out(project).run("filter").returncode == 0
    families = {reject["rule"].partition(".")[0] for reject in project.records("data/filtered/rejects.jsonl")}
    assert families == {"duplicate", "character_break", "repetition"}
    project.set("filter.off", ["assistants"])
    assert "filter.off names assistants; the rules are " in project.refused("filter")


BROKEN = """
import runpy, sys
from stages.filter import rules
def broken(talk, limits):
    if "word3n" in talk.replies[0]:
        raise ZeroDivisionError("by zero")
rules.RULES["broken"] = broken
runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)
"""


def test_a_rule_that_fails_stops_the_stage_and_is_named_with_the_chat(project: Project) -> None:
    laid_out(project)
    done = project.run("filter", BROKEN)
    assert done.returncode == 1 and not (project.folder / "data/filtered/chats.jsonl").exists()
    assert done.stderr.strip() == f"error: filter: the rule broken failed at chat {GOLD[3]['id']}: ZeroDivisionError: by zero"


def test_caps_bound_what_is_trained_on_and_leave_what_is_measured_with(project: Project) -> None:
    gold = [plain_chat(number) for number in range(60)]
    held = [chat for chat in gold if split_of(chat, **HOLDOUT) != "train"]
    project.set("filter.max_per_source", 10)
    assert laid_out(project, gold, []).run("filter").returncode == 0
    kept = project.records("data/filtered/chats.jsonl")
    assert len(kept) == 10 + len(held) and all(chat in kept for chat in held)
    assert {(reject["rule"], reject["expected"]) for reject in project.records("data/filtered/rejects.jsonl")} == {("balance.source", 10)}


def test_lengths_are_steered_to_the_golds_where_asked(project: Project) -> None:
    gold = [make_chat(f"Question {number}?", prose(number, 20 + number)) for number in range(40)]
    written = [make_chat(f"Question {number}?", prose(number, 100), kind="synthetic") for number in range(100, 140)]
    assert laid_out(project, gold, written).run("filter").returncode == 0
    assert project.metrics("filter")["synthetic_kept"] == 40
    project.set("filter.length_target", "gold")
    assert project.run("filter").returncode == 0
    assert 0 < project.metrics("filter")["synthetic_kept"] < 5
    assert project.metrics("filter")["dropped_balance"] == 40 - project.metrics("filter")["synthetic_kept"]


def test_a_chat_that_is_longer_than_the_model_can_be_trained_on_is_cut_behind_a_reply_and_counted(project: Project) -> None:
    long = make_chat(*(text for number in range(60) for text in (f"Question {number}?", prose(number))))
    project.set("sequence_len", 600)
    assert laid_out(project, [*GOLD[:2], long], []).run("filter").returncode == 0
    *_, cut = project.records("data/filtered/chats.jsonl")
    assert project.metrics("filter")["cut"] == 1 and project.metrics("filter")["kept"] == 3
    assert cut["source"]["cut_from"] == long["id"] != cut["id"]
    assert cut["conversations"] == long["conversations"][: len(cut["conversations"])] and cut["conversations"][-1]["from"] == "gpt"
    assert fault("chat", cut) is None


def test_a_chat_of_which_not_one_exchange_fits_is_dropped_with_its_tokens(project: Project) -> None:
    project.set("sequence_len", 1000)
    project.set("filter.max_words", 5000)
    huge = make_chat("Why?", prose(1, 2000))
    assert laid_out(project, [*GOLD[:2], huge], []).run("filter").returncode == 0
    (reject,) = project.records("data/filtered/rejects.jsonl")
    assert (reject["id"], reject["rule"], reject["expected"]) == (huge["id"], "length.tokens", 1000) and reject["found"] > 1000
