"""What the cheap stages really open while they run is what dvc.yaml lists, no more and no less."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.common import forgetting
from stages.common.params import read_yaml
from tests.chats import chats_in, gold_line, jsonl, plain_chat
from tests.common.stub_endpoint import Endpoint, Reply, completion
from tests.evaluate.sample import NAMES, TRAINING, three_characters
from tests.project import Project

# Runs a stage and notes every file that it opens, by Python's own audit event.
RECORDER = """
import atexit, json, os, runpy, sys
opened, note = set(), os.environ["NOTE"]
def hear(event, arguments):
    if event == "open" and not isinstance(arguments[0], int):
        opened.add(os.path.realpath(os.fsdecode(arguments[0])))
sys.addaudithook(hear)
atexit.register(lambda: open(note, "w").write(json.dumps(sorted(opened))))
runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)
"""


def teacher(body: dict, count: int) -> Reply:
    """A teacher that writes two turns, and a critic and a judge that find nothing."""
    turns = [{"speaker": "visitor", "text": "Who?"}, {"speaker": "character", "text": f"The verger, {body.get('seed')}."}]
    return Reply(completion(json.dumps({"turns": turns}) if body["model"] == "writer" else "{}"))


def opened_by(project: Project, stage: str, note: Path) -> set[str]:
    """Files of the project, a compiled module under its source's name."""
    surroundings = {"NOTE": str(note), "DRAMATIS_STATE": str(note.with_name("state")), "OPENAI_API_KEY": "none", "PYTHONPATH": str(project.folder)}
    done = project.run(stage, code=RECORDER, PYTHONDONTWRITEBYTECODE="1", **surroundings)
    assert done.returncode == 0, done.stderr
    home, found = project.folder.resolve(), set()
    for path in map(Path, json.loads(note.read_text())):
        if path.is_relative_to(home):
            if path.parent.name == "__pycache__":
                path = path.parents[1] / f"{path.name.split('.')[0]}.py"
            found.add(str(path.relative_to(home)))
    return found


@pytest.mark.parametrize("stage", ["curate", "synthesize", "filter", "split", "evaluate"])
def test_a_stage_opens_its_deps_and_nothing_else(project: Project, tmp_path: Path, stage: str) -> None:
    for name, value in {"chats": 2, "structured": True, "teacher": "writer", "critic": "judge"}.items():
        project.set(f"synthesize.{name}", value)
    project.write("data/gold/sherlock-holmes.jsonl", gold_line("Who?", "The verger."))
    forgetting.add(project.folder / "data/raw/forget.txt", ["somebody"])
    project.write("data/curated/chats.jsonl", jsonl(plain_chat(n) for n in range(9)))
    project.write("data/synthetic/chats.jsonl", jsonl([plain_chat(70, kind="synthetic")]))
    project.set("split.replay_share", 0.3)
    project.write("data/replay/mine.jsonl", jsonl([{"license": "MIT", "conversations": plain_chat(1)["conversations"][1:]}]))
    project.write("data/filtered/chats.jsonl", jsonl(chat for split in ("train", "validation", "test") for chat in chats_in(split, 2)))
    answer = {"request": 0, "key": "0" * 64, "text": "Yes.", "finish": "stop", "prompt_tokens": 1, "completion_tokens": 1}
    project.write("data/synthetic/answers.jsonl", jsonl([answer]))
    project.write("data/judged/answers.jsonl", jsonl([answer]))
    project.write("data/prompts/scenarios.yaml", "- {id: a, kind: cases, visitor: a widow, situation: She weeps.}\n")
    project.write("data/prompts/visitors.yaml", "{ages: [a young], stations: [cook], moods: [in haste]}\n")
    project.write("metrics/train.json", json.dumps(TRAINING))
    for path, records in three_characters().items():
        project.write(path, jsonl(records))
    for stem in NAMES:
        project.add_card(stem, name=NAMES[stem])
    project.add_card("dr-watson", name="Dr Watson")  # takes no part
    project.write("data/gold/dr-watson.jsonl", gold_line("Who?", "My friend Holmes."))
    side = {"id": "0" * 20, "voice": 3, "in_character": 3, "coherence": 3, "engagement": 3, "length": 3}
    rating = {"format": "dramatis-rating-1", "answers": "0" * 64, "page": "0" * 64, "rater": "JW", "ratings": [{"a": side, "b": side, "preferred": "tie"}]}
    project.write("data/ratings/of-another-run.json", json.dumps(rating))
    with Endpoint(teacher) as stub:
        project.set("synthesize.base_url", stub.url)
        for name, value in {"model": "judge", "base_url": stub.url, "retries": 0}.items():
            project.set(f"evaluate.judge.{name}", value)
        opened = opened_by(project, stage, tmp_path / "opened.json")
    deps = read_yaml(project.folder / "dvc.yaml")["stages"][stage]["deps"]
    ours = {"dvc.yaml", "params.yaml", "schemas/params.schema.json", *project.outs(stage)}
    read = {path for path in opened if path not in ours and not path.endswith((".part", "__init__.py"))}
    assert [path for path in read if not any(path == dep or path.startswith(f"{dep}/") for dep in deps)] == []
    data = [dep for dep in deps if not dep.startswith("stages/")]
    assert [dep for dep in data if not any(path == dep or path.startswith(f"{dep}/") for path in read)] == []
