"""The real stage against a stub teacher at synthesize.base_url: what it writes, what it sends, and what it does when the teacher fails it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from stages.common import chats, schemas
from stages.common.answer_store import key
from stages.common.files import read_json, read_jsonl
from stages.common.holdout import split_of
from stages.common.params import load, read_yaml
from tests.common.stub_endpoint import Endpoint, Reply, completion
from tests.project import ROOT
from tests.synthesize.holmes import KEY, VARIABLE, WRITTEN, good, one_sentence, project, run, synthesize

# Request number -> (transcript, finish, the rule that rejects it or None)
ANSWERS = {
    1: ("I would be glad to write a dialogue for you.", "stop", "parse.label"),
    2: ("Visitor: Is there anybody at home?", "stop", "parse.turns"),
    3: ("Sherlock Holmes: You have come from the station.", "stop", "parse.turns"),
    4: ("Visitor:  \nSherlock Holmes: Sit down, sir.", "stop", "parse.empty"),
    6: (good(5), "stop", "repeated"),
    7: (good(7) + "\nVisitor: And yet\nHolmes: The rest is sil", "length", "finish.length"),
    8: ("", "content_filter", "finish.content_filter"),
    9: ("Visitor: One thing, sir.\nVisitor: And another.\nHolmes: Slowly.", "stop", "parse.turns"),
    10: ("I'm sorry, but I can't help with that.", "stop", "refusal"),
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
        folder = project(curated, tmp_path_factory.mktemp("finished"), chats=COUNT, base_url=stub.url, output_license="CC0-1.0")
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


def test_each_chat_has_the_cards_system_prompt_and_says_where_it_comes_from(finished: tuple) -> None:
    folder, stub, _ = finished
    known = {chat["id"]: chat for chat in chats.read(folder / "data/curated/chats.jsonl")}
    params = load("synthesize", folder)
    train = {name for name, chat in known.items() if split_of(chat, *(params[f"holdout.{part}"] for part in ("seed", "validation", "test"))) == "train"}
    scenarios = {one["id"]: one for one in read_yaml(ROOT / "data/prompts/scenarios.yaml")}
    asked = {key(stub.url, sent.body["seed"] - 7, sent.body): sent.body for sent in stub.requests}
    for chat in chats.read(folder / WRITTEN[0]):
        assert chat["conversations"][0] == next(iter(known.values()))["conversations"][0]
        source = chat["source"]
        assert (source["kind"], source["teacher"], source["license"]) == ("synthetic", "stub-teacher", "CC0-1.0")
        body = asked[source["request"]]  # the hash is that of the very request
        assert f"number {body['seed'] - 7}," in chats.opening(chat)
        assert len(set(source["parents"])) == 2 and set(source["parents"]) <= train
        for parent in source["parents"]:
            assert chats.opening(known[parent]) in str([message["content"] for message in body["messages"]])
        assert scenarios[source["scenario"]]["kind"] == chat["topic"]
        wish = body["messages"][-1]["content"]
        assert scenarios[source["scenario"]]["situation"].replace("{{char}}", "Sherlock Holmes") in wish and chat["visitor"] in wish


def test_each_broken_answer_becomes_a_reject_with_number_attempt_and_rule(finished: tuple) -> None:
    rejects = read_jsonl(finished[0] / WRITTEN[1])
    assert [(reject["request"], reject["attempt"], reject["rule"]) for reject in rejects] == [(n, 1, rule) for n, (_, _, rule) in ANSWERS.items() if rule]
    assert [problem for reject in rejects if (problem := schemas.fault("reject", reject))] == []
    assert all(reject["found"] and reject["expected"] for reject in rejects)
    assert rejects[0]["found"] == "I would be glad to write a dialogue for you."


def test_the_metrics_add_up(finished: tuple) -> None:
    metrics = read_json(finished[0] / WRITTEN[2])
    rejected = sum(rule is not None for _, _, rule in ANSWERS.values())
    assert {name: metrics[name] for name in metrics if not name.startswith(("coverage.", "distinct_"))} == {
        "asked": COUNT,
        "chats": COUNT - rejected,
        "rejected": rejected,
        "not_asked": 0,
        "retried": 0,
        "criticised": 0,
        "answers": COUNT,
        "prompt_tokens": sum(100 + n for n in range(COUNT)),
        "completion_tokens": sum(10 + n for n in range(COUNT)),
    }  # and no dollars: nobody knows stub-teacher's price
    assert schemas.fault("metrics", metrics) is None


def test_the_metrics_say_how_varied_the_chats_are(finished: tuple) -> None:
    metrics, written = read_json(finished[0] / WRITTEN[2]), chats.read(finished[0] / WRITTEN[0])
    fitting = [one for one in read_yaml(ROOT / "data/prompts/scenarios.yaml") if one.get("character", "sherlock-holmes") == "sherlock-holmes"]
    assert metrics["coverage.scenarios"] == pytest.approx(len({chat["source"]["scenario"] for chat in written}) / len(fitting), abs=1e-6)
    assert all(0 < metrics[f"coverage.{name}"] <= 1 for name in ("ages", "stations", "moods", "lengths", "exchanges", "examples"))
    said = " ".join(reply for chat in written for reply in chats.spoken(chat, "gpt")).lower()
    words = [word.strip(".,!") for word in said.split()]
    assert metrics["distinct_1"] == pytest.approx(len(set(words)) / len(words), abs=1e-6)


def test_the_sampling_parameters_and_the_teachers_name_go_out_with_each_request(finished: tuple) -> None:
    folder, stub, _ = finished
    params = load("synthesize", folder)
    assert sorted(sent.body["seed"] for sent in stub.requests) == [7 + n for n in range(COUNT)]
    for sent in stub.requests:
        assert sent.body["model"] == "stub-teacher"
        for name, parameter in (("temperature", "temperature"), ("top_p", "top_p"), ("max_tokens", "answer_tokens")):
            assert sent.body[name] == params[f"synthesize.{parameter}"]
        assert sent.headers["authorization"] == f"Bearer {KEY}"


def test_never_more_requests_are_in_flight_than_the_parameter_allows(finished: tuple) -> None:
    assert 2 <= finished[1].most_at_once <= 4


def test_the_key_stands_in_no_file_and_no_message(finished: tuple) -> None:
    folder, stub, done = finished
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {str(path.relative_to(folder)) for path in files} >= {*WRITTEN, "state/answers/answers.sqlite"}
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    assert KEY not in done.stdout + done.stderr
    assert all(KEY not in json.dumps(sent.body) for sent in stub.requests)


def test_the_same_answers_give_the_same_bytes_in_whatever_order_they_come(curated: Path, tmp_path: Path) -> None:
    with Endpoint(lambda body, _: Reply(transcript(body).body, delay=0.01 * (-body["seed"] % 4))) as stub:
        folders = [project(curated, tmp_path / str(many), chats=COUNT, base_url=stub.url, concurrency=many) for many in (4, 1)]
        for folder in folders:
            assert synthesize(folder).returncode == 0
    assert len(stub.requests) == 2 * COUNT
    for name in WRITTEN:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


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
    assert [(folder / name).read_bytes() for name in WRITTEN if name.endswith(".jsonl")] == [b"", b"", b""]
    assert set(read_json(folder / WRITTEN[2]).values()) == {0}


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


@pytest.mark.parametrize(
    "url",
    ["http://user:pw@127.0.0.1/v1", "http://[::1/v1", "http://", "http://127.0.0.1:99999/v1", "https://example.org/v1?key=sk-1", "https://example.org/v1#x"],
)
def test_a_url_that_is_no_address_is_one_sentence_that_does_not_repeat_it(curated: Path, tmp_path: Path, url: str) -> None:
    said = one_sentence(synthesize(project(curated, tmp_path, chats=2, base_url=url)))
    assert "synthesize.base_url is no address; expected https://HOST/v1" in said and "pw" not in said and "sk-1" not in said


@pytest.mark.parametrize("key", ["sk two words", "sk-\u00fc", "sk-\x07"])
def test_a_key_that_cannot_be_one_is_one_sentence_that_does_not_repeat_it(curated: Path, tmp_path: Path, key: str) -> None:
    said = one_sentence(synthesize(project(curated, tmp_path, chats=2, base_url="http://127.0.0.1:9/v1"), key=key))
    assert "found blanks or characters in it that no key has" in said and key not in said


def test_a_key_with_the_end_of_its_line_is_that_key(curated: Path, tmp_path: Path) -> None:
    with Endpoint(lambda body, _: Reply(completion(good(body["seed"])))) as stub:
        assert synthesize(project(curated, tmp_path, chats=1, base_url=stub.url), key=KEY + "\n").returncode == 0
    assert stub.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "request_", [{"temperature": float("nan")}, {"max_tokens": True}, {"max_tokens": "400"}, {"max_tokens": -5}, {"stream": True}, {"n": 2}], ids=str
)
def test_a_field_that_no_request_may_have_is_one_sentence_before_any_request(curated: Path, tmp_path: Path, request_: dict) -> None:
    said = one_sentence(synthesize(project(curated, tmp_path, chats=2, base_url="http://127.0.0.1:9/v1", request=request_)))
    assert said.startswith("error: params.yaml: synthesize.request")
