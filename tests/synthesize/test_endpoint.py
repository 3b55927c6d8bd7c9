"""The real stage against a stub teacher at synthesize.base_url: what it writes, what it sends, and what it does when the teacher fails it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.common import chats, schemas
from stages.common.files import read_json, read_jsonl
from stages.common.holdout import split_of
from stages.common.params import load
from stages.synthesize.parsing import turns
from tests.common.stub_endpoint import Endpoint, Reply, completion

ROOT = Path(__file__).resolve().parents[2]
KEY, VARIABLE = "sk-test-9ever-wr1tten", "DRAMATIS_TEST_KEY"
WRITTEN = ("data/synthetic/chats.jsonl", "data/synthetic/rejects.jsonl", "metrics/synthesize.json")
# The stage as it is; only the waits between attempts are a thousand times as short.
IMPATIENT = """
import asyncio, runpy
sleep = asyncio.sleep
asyncio.sleep = lambda seconds, result=None: sleep(seconds / 1000, result)
runpy.run_module("stages.synthesize", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's small files, of the gold only Holmes's, and the chats that the real curate makes of them."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    for name in ("characters", "prompts"):
        shutil.copytree(ROOT / "data" / name, folder / "data" / name)
    (folder / "data/gold").mkdir()
    shutil.copy(ROOT / "data/gold/sherlock-holmes.jsonl", folder / "data/gold")  # the stub speaks as he does
    done = run(folder, "-m", "stages.curate")
    assert done.returncode == 0, done.stderr
    return folder


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy") and name != VARIABLE}
    environment = {**inherited, "PYTHONPATH": str(ROOT), "DRAMATIS_STATE": str(folder / "state"), **variables}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def project(curated: Path, folder: Path, **changed: object) -> Path:
    """A project of its own whose `synthesize` parameters are `changed`."""
    shutil.copytree(curated, folder, dirs_exist_ok=True)
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    params["synthesize"] |= {"api_key_env": VARIABLE, "teacher": "stub-teacher", "concurrency": 4, "seed": 7, **changed}
    yaml.dump(params, folder / "params.yaml")
    return folder


def synthesize(folder: Path, key: str | None = KEY) -> subprocess.CompletedProcess[str]:
    return run(folder, "-c", IMPATIENT, **({VARIABLE: key} if key else {}))


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """What the stage says when it fails: one line beside the progress bar's."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    (said,) = [line for line in done.stderr.splitlines() if line and "answer/s" not in line]
    assert said.startswith("error: ")
    assert KEY not in done.stderr + done.stdout
    return said


def good(number: int) -> str:
    opening = f"Visitor: I have lost umbrella number {number}, sir.\nSherlock Holmes: Then it is under chair {number}, where you sat last."
    return f"{opening}\nVisitor: So it is!\nHolmes: Naturally."


# Request number -> (transcript, finish, the rule that rejects it or None)
ANSWERS = {
    1: ("I would be glad to write a dialogue for you.", "stop", "parse.label"),
    2: ("Visitor: Is there anybody at home?", "stop", "parse.turns"),
    3: ("Sherlock Holmes: You have come from the station.", "stop", "parse.turns"),
    4: ("Visitor:  \nSherlock Holmes: Sit down, sir.", "stop", "parse.empty"),
    6: (good(5), "stop", "repeated"),
    7: (good(7) + "\nVisitor: And yet\nHolmes: The rest is sil", "length", None),
    8: ("", "stop", "parse.turns"),
    9: ("Visitor: One thing, sir.\nVisitor: And another.\nHolmes: Slowly.", "stop", "parse.turns"),
}
COUNT = 12


def transcript(body: dict, count: int = 1) -> Reply:
    number = body["seed"] - 7  # synthesize.seed; each request adds its number
    text, finish, _ = ANSWERS.get(number, (good(number), "stop", None))
    return Reply(completion(text, finish, 100 + number, 10 + number), delay=0.02 * (number % 3))


@pytest.fixture(scope="module")
def finished(curated: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Endpoint, subprocess.CompletedProcess[str]]:
    """One run with good and broken answers."""
    with Endpoint(transcript) as stub:
        folder = project(curated, tmp_path_factory.mktemp("finished"), chats=COUNT, base_url=stub.url)
        done = synthesize(folder)
    assert done.returncode == 0, done.stderr
    return folder, stub, done


def test_each_good_transcript_becomes_a_chat_in_the_order_of_the_requests(finished: tuple) -> None:
    written = chats.read(finished[0] / WRITTEN[0])
    numbers = [n for n in range(COUNT) if ANSWERS.get(n, (0, 0, None))[2] is None]
    assert [chats.opening(chat) for chat in written] == [f"I have lost umbrella number {n}, sir." for n in numbers]
    assert [turn["value"] for turn in written[0]["conversations"][1:]] == [
        "I have lost umbrella number 0, sir.",
        "Then it is under chair 0, where you sat last.",
        "So it is!",
        "Naturally.",
    ]
    assert {chat["source"]["kind"] for chat in written} == {"synthetic"}
    assert {chat["source"]["teacher"] for chat in written} == {"stub-teacher"}


def test_a_transcript_that_was_cut_off_loses_only_its_unfinished_end(finished: tuple) -> None:
    cut = next(chat for chat in chats.read(finished[0] / WRITTEN[0]) if "number 7" in chats.opening(chat))
    assert [turn["value"] for turn in cut["conversations"][-2:]] == ["So it is!", "Naturally."]


def test_each_chat_has_the_cards_system_prompt_and_names_its_parents_and_scenario(finished: tuple) -> None:
    folder = finished[0]
    known = {chat["id"]: chat for chat in chats.read(folder / "data/curated/chats.jsonl")}
    system = next(iter(known.values()))["conversations"][0]
    for chat in chats.read(folder / WRITTEN[0]):
        assert chat["conversations"][0] == system
        assert len(set(chat["source"]["parents"])) == 2 and set(chat["source"]["parents"]) <= set(known)
        assert chat["source"]["scenario"]


def test_each_broken_transcript_becomes_a_reject_with_number_and_rule(finished: tuple) -> None:
    rejects = read_jsonl(finished[0] / WRITTEN[1])
    assert [(reject["request"], reject["rule"]) for reject in rejects] == [(n, rule) for n, (_, _, rule) in ANSWERS.items() if rule]
    assert all(reject["found"] and reject["expected"] for reject in rejects)
    assert rejects[0]["found"] == "I would be glad to write a dialogue for you."


def test_the_metrics_add_up(finished: tuple) -> None:
    metrics = read_json(finished[0] / WRITTEN[2])
    rejected = sum(rule is not None for _, _, rule in ANSWERS.values())
    assert metrics == {
        "asked": COUNT,
        "chats": COUNT - rejected,
        "rejected": rejected,
        "prompt_tokens": sum(100 + n for n in range(COUNT)),
        "completion_tokens": sum(10 + n for n in range(COUNT)),
    }
    assert schemas.fault("metrics", metrics) is None


def test_the_sampling_parameters_and_the_teachers_name_go_out_with_each_request(finished: tuple) -> None:
    folder, stub, _ = finished
    params = load("synthesize", folder)
    assert sorted(sent.body["seed"] for sent in stub.requests) == [7 + n for n in range(COUNT)]
    for sent in stub.requests:
        assert sent.body["model"] == "stub-teacher"
        for name in ("temperature", "top_p", "max_tokens"):
            assert sent.body[name] == params[f"synthesize.{name}"]
        assert sent.headers["authorization"] == f"Bearer {KEY}"


def test_never_more_requests_are_in_flight_than_the_parameter_allows(finished: tuple) -> None:
    assert 2 <= finished[1].most_at_once <= 4


def test_the_key_stands_in_no_file_and_no_message(finished: tuple) -> None:
    folder, stub, done = finished
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {str(path.relative_to(folder)) for path in files} >= set(WRITTEN)
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    assert KEY not in done.stdout + done.stderr
    assert all(KEY not in json.dumps(sent.body) for sent in stub.requests)


def test_the_same_answers_give_the_same_bytes(finished: tuple, curated: Path, tmp_path: Path) -> None:
    with Endpoint(transcript) as stub:
        folder = project(curated, tmp_path, chats=COUNT, base_url=stub.url, concurrency=1)
        assert synthesize(folder).returncode == 0
    for name in WRITTEN:
        assert (folder / name).read_bytes() == (finished[0] / name).read_bytes()


def test_no_word_of_a_held_out_chat_is_ever_shown_to_the_teacher(curated: Path, tmp_path: Path) -> None:
    with Endpoint(transcript) as stub:
        folder = project(curated, tmp_path, chats=150, base_url=stub.url, concurrency=16)
        assert synthesize(folder).returncode == 0
    params = load("synthesize", folder)
    turns: dict[str, set[str]] = {"train": set(), "validation": set(), "test": set()}
    gold = chats.read(folder / "data/curated/chats.jsonl")
    for chat in gold:
        split = split_of(chat, *(params[f"holdout.{name}"] for name in ("seed", "validation", "test")))
        turns[split] |= {turn["value"] for turn in chat["conversations"] if turn["from"] != "system"}
    sent = "\n".join(message["content"] for request in stub.requests for message in request.body["messages"])
    held_out = (turns["validation"] | turns["test"]) - turns["train"]
    assert len(held_out) > 50
    assert [value for value in held_out if value in sent] == []
    assert sum(value in sent for value in turns["train"]) > 0.5 * len(turns["train"])  # so that the line above says something


def test_a_missing_key_gets_one_sentence_that_names_the_variable_and_nothing_is_asked(curated: Path, tmp_path: Path) -> None:
    with Endpoint(transcript) as stub:
        folder = project(curated, tmp_path, chats=2, base_url=stub.url)
        # Another account's key, under the name that the client itself would look for, must not be sent instead.
        said = one_sentence(run(folder, "-m", "stages.synthesize", OPENAI_API_KEY=KEY))
    assert VARIABLE in said and stub.url in said
    assert stub.requests == []
    assert not any((folder / name).exists() for name in WRITTEN)


def test_no_chats_asked_for_means_nobody_is_asked_and_empty_files(curated: Path, tmp_path: Path) -> None:
    with Endpoint(transcript) as stub:
        folder = project(curated, tmp_path, chats=0, base_url=stub.url)
        done = synthesize(folder, key=None)
    assert done.returncode == 0, done.stderr
    assert stub.requests == []
    assert [(folder / name).read_bytes() for name in WRITTEN[:2]] == [b"", b""]
    assert read_json(folder / WRITTEN[2]) == {"asked": 0, "chats": 0, "rejected": 0, "prompt_tokens": 0, "completion_tokens": 0}


def test_a_teacher_that_dies_in_the_middle_leaves_one_sentence_and_no_half_written_output(curated: Path, tmp_path: Path) -> None:
    def answer(body: dict, count: int) -> Reply:
        if len(stub.requests) > 5:
            stub.server.socket.close()
            return Reply({}, hang_up=True)
        return transcript(body)

    with Endpoint(answer) as stub:
        folder = project(curated, tmp_path, chats=COUNT, base_url=stub.url)
        said = one_sentence(synthesize(folder))
    assert stub.url in said
    assert len(stub.requests) >= 6
    assert not any((folder / name).exists() for name in WRITTEN)
    assert [path for path in folder.rglob("*.part")] == []


def test_labels_on_lines_of_their_own_do_not_end_up_in_what_is_said() -> None:
    said = turns("Visitor: Good day.\nHolmes: Sit down.\nVisitor:\nMay I smoke?\nSherlock Holmes:\nI should prefer it.", "Sherlock Holmes", "stop")
    assert [turn["from"] for turn in said] == ["human", "gpt", "human", "gpt"]
    assert [turn["value"] for turn in said] == ["Good day.", "Sit down.", "May I smoke?", "I should prefer it."]
