"""tools/ratings.py as a person runs it: what is taken in, and the one sentence with which each other file is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest

from stages.common.files import write_json, write_text
from stages.evaluate import blind_page, people, ratings
from stages.evaluate.scores import Bootstrap
from tests.evaluate.rated import exchange, page_of, rating

ROOT = Path(__file__).resolve().parents[2]
MANY = [exchange(number) for number in range(20)]
CONTENT = b"answers.jsonl"
ITEMS, SHOWN, KEY = page_of(MANY)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_json(tmp_path / "reports/ab-key.json", KEY)
    write_text(tmp_path / "reports/ab.html", blind_page.render(SHOWN))
    return tmp_path


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-m", "tools.ratings", *arguments], cwd=home, env=environment, capture_output=True, text=True, timeout=60)


def sent(home: Path, name: str, value: object) -> str:
    write_json(home / name, value)
    return name


def imported(home: Path) -> list[dict]:
    return [one for _, one in ratings.read(home / "data/ratings")]


def test_good_files_are_taken_in_as_they_are_and_count(home: Path) -> None:
    done = run(home, "import", sent(home, "one.json", rating(KEY)), sent(home, "two.json", rating(KEY, "M\u00fcller / H.")))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"one.json: {len(ITEMS)} ratings by JW, imported as data/ratings/{KEY['page'][:8]}-")
    assert sorted(one["rater"] for one in imported(home)) == ["JW", "M\u00fcller / H."]
    found = people.compare(MANY, CONTENT, ratings.read(home / "data/ratings"), ["prompted", "tuned"], 60, Bootstrap(5, 500, 0.95)).preferences.figures
    assert (found["human.votes"], found["human.raters"], found["tuned_vs_prompted.human_wins"]) == (40, 2, 20)


def test_part_of_a_page_is_taken_in_too(home: Path) -> None:
    one = rating(KEY)
    assert run(home, "import", sent(home, "one.json", one | {"ratings": one["ratings"][:7]})).returncode == 0
    assert len(imported(home)[0]["ratings"]) == 7


def always_a(kind: str, a: str, b: str) -> str:
    return "b" if kind == "bad" and a == "nobody" else "a"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({}, "'format' is a required property; expected a file that reports/ab.html saved, or Label Studio's JSON export"),
        (rating(KEY) | {"ratings": []}, "ratings: [] should be non-empty; expected a file"),
        (rating(KEY, scores=lambda _: 6), "6 is greater than the maximum of 5; expected a file"),
        (rating(page_of(MANY, b"another")[2]), "is of another run's answers (answers "),
        (rating(page_of(MANY, seed=6)[2]), "is of another page about these answers (page "),
        (rating(KEY) | {"ratings": [*rating(KEY)["ratings"], rating(KEY)["ratings"][0]]}, "is of the same pair as an earlier one; expected each pair once"),
        (rating(KEY, says=always_a), "refused, for 'JW' fell for a catch item: 2 of 2 pairs that came back with their sides exchanged got the opposite vote"),
        (rating(KEY, scores=lambda arm: 5 if arm == "nobody" else 1), "refused, for 'JW' fell for a catch item: an answer of words thrown together"),
    ],
)
def test_a_file_that_must_not_count_is_refused_with_one_sentence_and_the_others_are_taken_in(home: Path, value: object, sentence: str) -> None:
    done = run(home, "import", sent(home, "bad.json", value), sent(home, "good.json", rating(KEY, "Good")))
    assert done.returncode == 1
    assert done.stderr.startswith("error: bad.json: ") and sentence in done.stderr and done.stderr.count("\n") == 1
    assert [one["rater"] for one in imported(home)] == ["Good"]


def test_what_was_imported_before_is_refused_whatever_the_file_is_called(home: Path) -> None:
    done = run(home, "import", sent(home, "one.json", rating(KEY)), sent(home, "again.json", rating(KEY, "jw ")))
    assert done.returncode == 1 and "again.json: ratings of this page by 'jw ' were imported before, as data/ratings/" in done.stderr
    assert len(imported(home)) == 1


def test_what_is_no_json_or_not_there_and_a_missing_key_are_one_sentence_each(home: Path) -> None:
    (home / "page.html").write_text("<html>")
    done = run(home, "import", "page.html", "nowhere.json")
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["error: page.html:1: not JSON: Expecting value at column 1", "error: nowhere.json: no such file"]
    (home / "reports/ab-key.json").unlink()
    done = run(home, "import", "page.html")
    assert (done.returncode, done.stderr) == (
        1,
        "error: reports/ab-key.json: no such file; `dvc repro evaluate` writes it, `dvc pull reports/ab-key.json` brings it\n",
    )


def annotated(tasks: list[dict], one: dict, by: object) -> list[dict]:
    """Tasks as Label Studio exports them, with the ratings of one rater."""

    def result(said: dict) -> list[dict]:
        stars = [
            {"from_name": f"{side}-{aspect}", "to_name": side, "type": "rating", "value": {"rating": score}}
            for side in ("a", "b")
            for aspect, score in said[side].items()
            if aspect != "id"
        ]
        return [*stars, {"from_name": "preferred", "to_name": "a", "type": "choices", "value": {"choices": [said["preferred"]]}}]

    return [
        task | {"id": number, "annotations": [{"id": number, "completed_by": by, "was_cancelled": False, "result": result(said)}]}
        for number, (task, said) in enumerate(zip(tasks, one["ratings"], strict=True), start=1)
    ]


def test_label_studio_gets_blind_tasks_and_an_interface_and_its_export_comes_back_as_the_same_ratings(home: Path) -> None:
    done = run(home, "export", "--label-studio")
    assert done.returncode == 0, done.stderr
    tasks = json.loads((home / "reports/label-studio/tasks.json").read_text())
    interface = xml.etree.ElementTree.parse(home / "reports/label-studio/labels.xml")
    data = [task["data"] for task in tasks]
    assert [one["a_text"] for one in data] == [item.a.text for item in ITEMS] and not {"tuned", "arm", "kind"} & set(data[0])
    fields = {node.get("value")[1:] for node in interface.iter() if (node.get("value") or "").startswith("$")}
    assert fields == {"said", "prompt", "a_text", "b_text"} <= set(data[0])
    assert len(interface.findall(".//Rating")) == 10
    assert [node.get("alias") for node in interface.findall(".//Choice")] == ["a", "b", "tie", "both_bad"]

    first, second = rating(KEY, "label-studio-3"), rating(KEY, "label-studio-7", scores=lambda arm: 1 if arm == "nobody" else 4)
    export = annotated(tasks, first, 3)
    for task, other in zip(export, annotated(tasks, second, {"id": 7, "email": "mh@example.org"}), strict=True):
        task["annotations"] += other["annotations"] + [{"completed_by": 9, "was_cancelled": True, "result": []}]
    done = run(home, "import", sent(home, "export.json", export))
    assert done.returncode == 0, done.stderr
    assert sorted(imported(home), key=lambda one: one["rater"]) == [first, second]


def test_an_export_that_lacks_a_score_or_is_of_something_else_is_one_sentence(home: Path) -> None:
    run(home, "export", "--label-studio", "out")
    tasks = json.loads((home / "out/tasks.json").read_text())
    export = annotated(tasks, rating(KEY), 3)
    del export[1]["annotations"][0]["result"][4]
    done = run(
        home,
        "import",
        sent(home, "export.json", export),
        sent(home, "other.json", [{"data": {"image": "x.png"}, "annotations": []}]),
        sent(home, "none.json", []),
    )
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0].startswith("error: export.json: task 2: not an annotation of a task of ours (KeyError: ") and "every score given" in lines[0]
    assert lines[1].startswith("error: other.json: task 1: not an annotation of a task of ours")
    assert lines[2] == "error: none.json: holds no annotation; expected Label Studio's export in the format JSON"
    assert imported(home) == []
