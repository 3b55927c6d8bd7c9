"""A task of the lm-evaluation-harness that lies in a file, put to the tiny model without and with its adapter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stages.common.environments import silent
from stages.common.files import read_jsonl

ROOT = Path(__file__).resolve().parents[2]
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


def scored(base: Path, adapter: Path, folder: Path, task: str) -> subprocess.CompletedProcess[str]:
    (folder / "job.json").write_text(json.dumps({"base": str(base), "adapter": str(adapter), "tasks": [task]}))
    command = [sys.executable, "-m", "stages.weights.lm_tasks", str(folder / "job.json"), str(folder / "out.jsonl")]
    return subprocess.run(command, cwd=ROOT, env=silent(OMP_NUM_THREADS="1"), capture_output=True, text=True, timeout=150)


def test_each_arm_has_a_score_for_each_document_and_the_adapter_makes_some_other(base, adapter, tmp_path):
    documents = [{"question": f"Letter {n}:", "choices": [chr(97 + (n + k) % 26) for k in range(4)], "answer": n % 4} for n in range(24)]
    (tmp_path / "documents.jsonl").write_text("".join(json.dumps(document) + "\n" for document in documents))
    (tmp_path / "letters.yaml").write_text(TASK.format(data=tmp_path / "documents.jsonl"))
    done = scored(base, adapter, tmp_path, str(tmp_path / "letters.yaml"))
    assert done.returncode == 0, done.stderr[-3000:]
    rows = read_jsonl(tmp_path / "out.jsonl")
    assert [(row["arm"], row["id"]) for row in rows] == [(arm, n) for arm in ("base", "tuned") for n in range(24)]
    assert {(row["task"], row["metric"]) for row in rows} == {("letters", "acc")} and {row["score"] for row in rows} == {0.0, 1.0}
    scores = {arm: [row["score"] for row in rows if row["arm"] == arm] for arm in ("base", "tuned")}
    assert scores["base"] != scores["tuned"]


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        ("arc_eazy", "error: params.yaml: evaluate.lm_eval_tasks: lm_eval has no task arc_eazy; the nearest name is arc_easy"),
        ("nowhere.yaml", "error: params.yaml: evaluate.lm_eval_tasks: nowhere.yaml: [Errno 2] No such file or directory"),
        ("arc_easy", "error: lm_eval's task arc_easy cannot be asked: "),
    ],
)
def test_a_task_that_is_not_known_or_has_no_data_here_is_one_sentence(base, adapter, tmp_path, task, sentence):
    done = scored(base, adapter, tmp_path, task)
    assert done.returncode == 1
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert said.startswith(sentence), done.stderr[-2000:]
    assert not (tmp_path / "out.jsonl").exists()
