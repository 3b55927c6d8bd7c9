"""A task of the lm-evaluation-harness that lies in a file, put to the tiny model without and with its adapter."""

from __future__ import annotations

import json
import sys

import pytest

from stages.common.errors import UserError
from stages.common.files import read_jsonl
from stages.weights.lm_tasks import main

TASK = """
task: letters
dataset_path: json
dataset_kwargs: {{data_files: {{test: "{data}"}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: "{{{{answer}}}}"
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
"""


@pytest.fixture
def scored(base, adapter, tmp_path, monkeypatch):
    """Puts both arms to a task; the lines that are written."""

    def run(task: str) -> list[dict]:
        (tmp_path / "job.json").write_text(json.dumps({"base": str(base), "adapter": str(adapter), "tasks": [task]}))
        monkeypatch.setattr(sys, "argv", ["lm_tasks", str(tmp_path / "job.json"), str(tmp_path / "out.jsonl")])
        main()
        return read_jsonl(tmp_path / "out.jsonl")

    return run


def test_each_arm_has_a_score_for_each_document_and_the_adapter_makes_some_other(scored, tmp_path):
    documents = [{"question": f"Letter {n}:", "choices": [chr(97 + (n + k) % 26) for k in range(4)], "answer": n % 4} for n in range(24)]
    (tmp_path / "documents.jsonl").write_text("".join(json.dumps(document) + "\n" for document in documents))
    (tmp_path / "letters.yaml").write_text(TASK.format(data=tmp_path / "documents.jsonl"))
    rows = scored(str(tmp_path / "letters.yaml"))
    assert [(row["arm"], row["id"]) for row in rows] == [(arm, n) for arm in ("base", "tuned") for n in range(24)]
    assert {(row["task"], row["metric"]) for row in rows} == {("letters", "acc")} and {row["score"] for row in rows} == {0.0, 1.0}
    scores = {arm: [row["score"] for row in rows if row["arm"] == arm] for arm in ("base", "tuned")}
    assert scores["base"] != scores["tuned"]


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        ("arc_eazy", "params.yaml: evaluate.lm_eval_tasks: lm_eval has no task arc_eazy; the nearest name is arc_easy"),
        ("nowhere.yaml", "nowhere.yaml: no such file"),
        ("arc_easy", "lm_eval's task arc_easy cannot be asked: .*; where the data are missing, HF_HUB_OFFLINE=0 lets them be fetched"),
    ],
)
def test_a_task_that_is_not_known_or_has_no_data_here_is_one_sentence(scored, tmp_path, task, sentence):
    with pytest.raises(UserError, match=sentence):
        scored(task)
    assert not (tmp_path / "out.jsonl").exists()


def test_a_file_that_names_no_task_is_one_sentence(scored, tmp_path):
    (tmp_path / "mine.yaml").write_text("dataset_path: json\n")
    with pytest.raises(UserError, match="mine.yaml names no task; expected a line `task: NAME`"):
        scored(str(tmp_path / "mine.yaml"))
