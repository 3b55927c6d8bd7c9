"""The stage on real files: every line is kept or rejected, twice gives the same bytes, and a mistake is one sentence."""

from __future__ import annotations

import json

import pytest

from stages.common.schemas import fault
from tests.chats import gold_line
from tests.project import ROOT, Project

GOLD = "data/gold/sherlock-holmes.jsonl"
GOOD = [gold_line(f"Question {n}?", f"Answer {n}, {{{{user}}}}.", topic="cases") for n in range(4)]


def test_of_good_and_bad_lines_every_one_is_kept_or_rejected(project: Project) -> None:
    bad = {
        2: ("json", "{oops"),
        3: ("schema", '{"conversations": []}'),
        5: ("turns", gold_line("A?", "B.", "C?")),
        6: ("schema", gold_line("A?", " ")),
        8: ("repeated", GOOD[0]),
        9: ("json", '{"conversations": "\x00"}'),
        10: ("schema", json.dumps({"conversations": "x" * 1_000_000})),
    }
    good = iter(GOOD)
    lines = [bad[n][1] if n in bad else "" if n == 7 else next(good) for n in range(1, 12)]
    project.write(GOLD, "\r\n".join(lines))
    done = project.run("curate")
    assert (done.returncode, done.stderr) == (0, "")
    kept, rejects = project.records("data/curated/chats.jsonl"), project.records("data/curated/rejects.jsonl")
    assert [chat["source"]["line"] for chat in kept] == [1, 4, 11]
    assert [(reject["line"], reject["rule"]) for reject in rejects] == [(n, rule) for n, (rule, _) in bad.items()]
    assert {reject["file"] for reject in rejects} == {GOLD}
    assert rejects[4]["found"] == f"the chat of {GOLD}:1"
    assert project.metrics("curate") == {"lines": 10, "kept": 3, "rejected": 7, "characters": 1}
    assert [problem for chat in kept if (problem := fault("chat", chat))] == []
    assert [problem for reject in rejects if (problem := fault("reject", reject))] == []
    assert f"curate: 7 of 10 lines rejected, first {GOLD}:2: json: " in done.stdout


def test_the_projects_own_gold_is_kept_whole(project: Project) -> None:
    text = (ROOT / GOLD).read_text(encoding="utf-8")
    project.write(GOLD, text)
    assert project.run("curate").returncode == 0
    kept = project.records("data/curated/chats.jsonl")
    assert len(kept) == len(text.splitlines()) == len({chat["id"] for chat in kept})
    assert project.metrics("curate")["rejected"] == 0
    for chat, line in zip(kept, text.splitlines(), strict=True):
        assert chat["conversations"][1:] == json.loads(line)["conversations"]
        assert chat["conversations"][0]["value"].startswith("You are Sherlock Holmes, ")


@pytest.mark.parametrize(
    "line",
    [
        '{"conversations": [{"from": "human", "value": "Who? \\ud800"}, {"from": "gpt", "value": "I."}]}',
        "[" * 200_000,
        '{"conversations": ' + "9" * 5000 + "}",
        '{"conversations": [{"from": "human", "value": NaN}, {"from": "gpt", "value": "I."}]}',
    ],
    ids=["half a character", "deep", "huge number", "NaN"],
)
def test_a_line_made_to_break_a_parser_is_a_reject(project: Project, line: str) -> None:
    project.write(GOLD, "\n".join([GOOD[0], line, GOOD[1]]))
    done = project.run("curate")
    assert "Traceback" not in done.stderr, done.stderr[-800:]
    assert done.returncode == 0
    assert [reject["line"] for reject in project.records("data/curated/rejects.jsonl")] == [2]
    assert project.metrics("curate") == {"lines": 3, "kept": 2, "rejected": 1, "characters": 1}


def test_a_byte_order_mark_costs_no_more_than_its_line(project: Project) -> None:
    project.write(GOLD, "\ufeff" + "\n".join(GOOD))
    assert project.run("curate").returncode == 0
    figures = project.metrics("curate")
    assert figures["lines"] == 4 == figures["kept"] + figures["rejected"]
    assert figures["kept"] >= 3


def test_twice_gives_the_same_bytes_whatever_the_order_of_files_and_hashes(tmp_path) -> None:
    gold = {name: "\n".join([gold_line(f"{name}?", f"{name} {n}.") for n in range(3)] + ["{oops"]) for name in ("adler", "moriarty", "watson")}
    results = []
    for seed, names in (("0", list(gold)), ("77", list(gold)[::-1])):
        project = Project(tmp_path / seed)
        for name in names:
            project.add_card(name, name=name.title())
            project.write(f"data/gold/{name}.jsonl", gold[name])
        assert project.run("curate", PYTHONHASHSEED=seed).returncode == 0
        results.append(project.written("curate"))
    assert results[0] == results[1]
    assert len(results[0]) == 3 and all(results[0].values())
    assert [chat["character"] for chat in project.records("data/curated/chats.jsonl")] == ["adler"] * 3 + ["moriarty"] * 3 + ["watson"] * 3
    assert "You are Watson," in project.records("data/curated/chats.jsonl")[-1]["conversations"][0]["value"]
    assert project.metrics("curate") == {"lines": 12, "kept": 9, "rejected": 3, "characters": 3}


def test_a_gold_file_without_a_card_is_one_sentence(project: Project) -> None:
    project.write(GOLD, GOOD[0])
    project.write("data/gold/watson.jsonl", GOOD[1])
    assert project.refused("curate") == "data/gold/watson.jsonl: no character card data/characters/watson.json; cards: sherlock-holmes"


@pytest.mark.parametrize(
    "path, content, said",
    [
        ("data/characters/sherlock-holmes.json", '{"spec": "chara_card_v2",\n oops}', "data/characters/sherlock-holmes.json:2: not JSON: "),
        ("data/characters/sherlock-holmes.json", '{"spec": "chara_card_v2", "spec_version": "2.0"}', "not a Character Card V2: 'data' is a required property"),
        (GOLD, GOOD[0].encode() + b"\nIr\xe9ne", f"{GOLD}"),
        (GOLD, "", "data/gold: no chat is left of 0 lines"),
        (GOLD, "{oops\n", "data/gold: no chat is left of 1 lines; the first reason: "),
        ("params.yaml", "curate: [", "params.yaml:"),
    ],
    ids=["card not JSON", "card without data", "not UTF-8", "empty", "only bad lines", "params"],
)
def test_a_mistake_in_a_whole_file_is_one_sentence_and_leaves_earlier_outputs(project: Project, path: str, content: str | bytes, said: str) -> None:
    project.write(GOLD, GOOD[0])
    project.write(path, content)
    assert said in project.refused("curate")


@pytest.mark.parametrize("path", [GOLD, "data/characters/sherlock-holmes.json"])
def test_a_folder_in_place_of_a_file_is_one_sentence(project: Project, path: str) -> None:
    (project.folder / path).unlink(missing_ok=True)
    (project.folder / path).mkdir(parents=True)
    assert path in project.refused("curate")


def test_no_gold_at_all_is_one_sentence(project: Project) -> None:
    assert project.refused("curate") == "data/gold: no chat is left of 0 lines; the first reason: no *.jsonl file"
