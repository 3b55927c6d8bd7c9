"""What was paid for once: kept over caps, kills of the store and other parameters; asked again only with a reason."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from stages.common import chats
from stages.common.answer_store import AnswerStore
from stages.common.critique import ASPECTS
from stages.common.endpoints import response_format
from stages.common.files import read_json, read_jsonl
from stages.common.schemas import fault
from stages.synthesize.rounds import APART
from tests.common.stub_endpoint import Endpoint, Reply, completion
from tests.synthesize.holmes import ANSWERS, CHATS, METRICS, REJECTS, WRITTEN, change, good, one_sentence, project, run, synthesize

PRICE = {"stub-teacher": {"input": 10.0, "output": 100.0}}


def number_of(body: dict) -> int:
    """Of the request; every attempt at it has a seed of its own."""
    return (body["seed"] - 7) % APART


def well(body: dict, count: int = 1) -> Reply:
    return Reply(completion(good(number_of(body)), "stop", 100, 50))


def ran(folder: Path, **changed: object) -> str:
    """What the stage says in a project whose parameters are changed now."""
    change(folder, **changed)
    done = synthesize(folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def files(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in WRITTEN]


def test_a_cap_ends_the_run_well_and_a_higher_one_asks_for_the_rest_alone(curated: Path, tmp_path: Path) -> None:
    with Endpoint(well) as stub:
        folder = project(curated, tmp_path / "capped", chats=10, base_url=stub.url, max_requests=4)
        said = ran(folder)
        assert "6 of 10 chats are missing: asking for them could pass a cap (max_requests 4). A higher cap asks for these alone." in said
        assert sorted(number_of(sent.body) for sent in stub.requests) == [0, 1, 2, 3]
        metrics = read_json(folder / METRICS)
        assert (metrics["asked"], metrics["chats"], metrics["rejected"], metrics["not_asked"]) == (10, 4, 0, 6)
        assert (len(chats.read(folder / CHATS)), len(read_jsonl(folder / REJECTS)), len(read_jsonl(folder / ANSWERS))) == (4, 0, 4)
        assert "missing" not in ran(folder, max_requests=10)
        assert sorted(number_of(sent.body) for sent in stub.requests) == list(range(10))
        at_once = project(curated, tmp_path / "at once", chats=10, base_url=stub.url)
        ran(at_once)
    assert files(folder) == files(at_once)


def test_a_cap_in_dollars_counts_what_earlier_runs_spent(curated: Path, tmp_path: Path) -> None:
    """An answer costs 0.006; a request is feared at 300 tokens of answer and a token a byte of prompt, which is more than ten times as much."""
    with Endpoint(well) as stub:
        folder = project(curated, tmp_path, chats=40, base_url=stub.url, max_usd=0.15, prices=PRICE, concurrency=1)
        ran(folder)
        first = len(read_jsonl(folder / ANSWERS))
        assert 0 < first == len(stub.requests) < 25
        ran(folder)
        assert len(stub.requests) == first, "the money is still spent"
        ran(folder, max_usd=0.3)
        assert first < len(stub.requests) < 50
    metrics = read_json(folder / METRICS)
    assert metrics["usd"] == pytest.approx(0.006 * metrics["answers"]) and metrics["usd"] <= 0.3


def test_a_cap_in_dollars_without_a_price_is_one_sentence_and_nobody_is_asked(curated: Path, tmp_path: Path) -> None:
    with Endpoint(well) as stub:
        folder = project(curated, tmp_path, chats=2, base_url=stub.url, max_usd=1)
        said = one_sentence(synthesize(folder))
    assert "synthesize.max_usd is 1, but synthesize.prices has no price for stub-teacher" in said
    assert stub.requests == []


def test_more_chats_ask_for_the_new_ones_alone_and_fewer_for_none(curated: Path, tmp_path: Path) -> None:
    with Endpoint(well) as stub:
        folder = project(curated, tmp_path, chats=10, base_url=stub.url)
        ran(folder)
        first = (folder / CHATS).read_bytes()
        ran(folder, chats=12)
        assert sorted(number_of(sent.body) for sent in stub.requests) == list(range(12))
        assert (folder / CHATS).read_bytes().startswith(first)
        ran(folder, chats=10, concurrency=2, retries=3, output_license="MIT", api_key_env="DRAMATIS_TEST_KEY")
        assert len(stub.requests) == 12
    assert len(chats.read(folder / CHATS)) == 10
    assert {chat["source"]["license"] for chat in chats.read(folder / CHATS)} == {"MIT"}


def test_the_raw_answers_fill_an_empty_store_and_a_server_without_a_key_is_not_asked(curated: Path, tmp_path: Path) -> None:
    with Endpoint(well) as stub:
        folder = project(curated, tmp_path, chats=6, base_url=stub.url)
        ran(folder)
        before = files(folder)
    shutil.rmtree(folder / "state")
    done = synthesize(folder, key=None)  # the server is gone as well
    assert done.returncode == 0, done.stderr
    assert "6 answers of data/synthetic/answers.jsonl are in this machine's store now" in done.stdout
    assert files(folder) == before
    rows = read_jsonl(folder / ANSWERS)
    assert [(row["request"], row["text"], row["finish"], row["prompt_tokens"], row["completion_tokens"]) for row in rows] == [
        (number, good(number), "stop", 100, 50) for number in range(6)
    ]
    with AnswerStore(folder / "state/answers/answers.sqlite") as store:
        assert set(store.find([row["key"] for row in rows])) == {row["key"] for row in rows}


@pytest.mark.parametrize("row", ["{}", "[]", '"text"', '{"key": "a", "text": null, "finish": "stop", "prompt_tokens": 1, "completion_tokens": 1}', "{"])
def test_raw_answers_that_are_none_are_one_sentence(curated: Path, tmp_path: Path, row: str) -> None:
    folder = project(curated, tmp_path, chats=1, base_url="http://127.0.0.1:9/v1")
    (folder / ANSWERS).parent.mkdir(parents=True, exist_ok=True)
    (folder / ANSWERS).write_text(row + "\n")
    said = one_sentence(synthesize(folder))
    assert "data/synthetic/answers.jsonl" in said and "1" in said


def test_an_answer_that_cannot_be_used_is_asked_for_again_with_the_reason(curated: Path, tmp_path: Path) -> None:
    def answer(body: dict, count: int) -> Reply:
        if number_of(body) == 1 and len(body["messages"]) == 6:
            return Reply(completion("You are to have nothing.", "stop", 100, 50))
        return well(body)

    with Endpoint(answer) as stub:
        folder = project(curated, tmp_path, chats=3, base_url=stub.url, retries=2)
        ran(folder)
        before = files(folder)
        ran(folder)
    assert files(folder) == before
    assert sorted(number_of(sent.body) for sent in stub.requests) == [0, 1, 1, 2]
    first, second = (sent.body["messages"] for sent in stub.requests if number_of(sent.body) == 1)
    assert second[:6] == first
    assert second[6] == {"role": "assistant", "content": "You are to have nothing."}
    assert "Found: You are to have nothing.; expected: a first line that begins with 'Visitor:' or 'Sherlock Holmes:'." in second[7]["content"]
    assert [(reject["request"], reject["attempt"], reject["rule"]) for reject in read_jsonl(folder / REJECTS)] == [(1, 1, "parse.label")]
    metrics = read_json(folder / METRICS)
    assert (metrics["chats"], metrics["rejected"], metrics["retried"], metrics["answers"]) == (3, 0, 1, 4)
    assert [row["request"] for row in read_jsonl(folder / ANSWERS)] == [0, 1, 1, 2]


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_an_answer_is_asked_for_again_at_most_retries_times(curated: Path, tmp_path: Path, retries: int) -> None:
    with Endpoint(lambda body, _: Reply(completion(f"No, {len(stub.requests)} times no."))) as stub:
        folder = project(curated, tmp_path, chats=2, base_url=stub.url, retries=retries)
        ran(folder)
    assert len(stub.requests) == 2 * (1 + retries)
    assert [(reject["request"], reject["attempt"]) for reject in read_jsonl(folder / REJECTS)] == [(n, k) for n in range(2) for k in range(1, 2 + retries)]


def test_a_teacher_that_says_the_same_again_is_asked_as_often_as_any_other_with_another_seed(curated: Path, tmp_path: Path) -> None:
    with Endpoint(lambda body, _: Reply(completion("No."))) as stub:
        folder = project(curated, tmp_path, chats=1, base_url=stub.url, retries=3)
        ran(folder)
        ran(folder)
    assert [sent.body["seed"] for sent in stub.requests] == [7, 7 + APART, 7 + 2 * APART, 7 + 3 * APART]
    assert len(read_jsonl(folder / ANSWERS)) == 4


def test_a_teacher_that_takes_no_seed_is_asked_as_often_too(curated: Path, tmp_path: Path) -> None:
    with Endpoint(lambda body, _: Reply(completion("No."))) as stub:
        folder = project(curated, tmp_path, chats=1, base_url=stub.url, retries=3, request={"seed": None})
        ran(folder)
        ran(folder)
    assert len(stub.requests) == 4 and not any("seed" in sent.body for sent in stub.requests)


@pytest.mark.parametrize(
    "line, problem",
    [
        ("{oops", "not JSON"),
        ('{"key": "x"}', "is a required property"),
        ('{"request": 0, "key": "KEY", "text": "a", "finish": "stop", "prompt_tokens": 100000000000000000000, "completion_tokens": 1}', "prompt_tokens: "),
        ('{"request": 0, "key": "KEY", "text": "a", "finish": "stop", "prompt_tokens": -5, "completion_tokens": 1}', "prompt_tokens: -5"),
        ('{"request": 0, "key": "KEY", "text": "\\ud800", "finish": "stop", "prompt_tokens": 1, "completion_tokens": 1}', "half a surrogate pair"),
    ],
    ids=["no JSON", "no answer", "too many", "fewer than none", "half a character"],
)
def test_a_line_of_the_answers_that_is_none_is_told_with_its_number(curated: Path, tmp_path: Path, line: str, problem: str) -> None:
    with Endpoint(well) as stub:
        folder = project(curated, tmp_path, chats=2, base_url=stub.url)
        ran(folder)
        before = (folder / ANSWERS).read_text()
        (folder / ANSWERS).write_text(before + line.replace("KEY", "0" * 64) + "\n")
        said = one_sentence(synthesize(folder))
    assert f"{ANSWERS}:3: " in said and problem in said
    assert len(stub.requests) == 2


def test_on_a_machine_that_has_never_asked_the_answers_that_dvc_lock_names_are_fetched_first(curated: Path, tmp_path: Path) -> None:
    with Endpoint(well) as stub:
        folder = project(curated, tmp_path, chats=3, base_url=stub.url)
        lock = {"stages": {"synthesize": {"cmd": "x", "outs": [{"path": ANSWERS, "size": 900}]}}}
        (folder / "dvc.lock").write_text(json.dumps(lock))
        assert f"`dvc pull {ANSWERS}` brings them" in one_sentence(synthesize(folder))
        assert f"`dvc pull {ANSWERS}` brings them" in run(folder, "-m", "tools.plan", "synthesize").stdout
        assert stub.requests == []
        (folder / ANSWERS).parent.mkdir(parents=True, exist_ok=True)
        (folder / ANSWERS).touch()
        ran(folder)
        assert len(stub.requests) == 3
        (folder / ANSWERS).unlink()  # as in a copy that dvc exp run makes: the store is there
        ran(folder, seed=8)
        assert len(stub.requests) == 6


def test_a_request_without_an_answer_is_a_reject_and_the_next_run_asks_for_it_alone(curated: Path, tmp_path: Path) -> None:
    broken = {3}

    def answer(body: dict, count: int) -> Reply:
        return Reply({"error": {"message": "oops"}}, status=500) if number_of(body) in broken else well(body)

    with Endpoint(answer) as stub:
        folder = project(curated, tmp_path, chats=6, base_url=stub.url)
        assert "1 of 6 requests got no answer." in ran(folder)
        (reject,) = read_jsonl(folder / REJECTS)
        assert (reject["request"], reject["rule"]) == (3, "unanswered") and "oops" in reject["found"]
        broken.clear()
        seen = len(stub.requests)
        ran(folder)
        assert [number_of(sent.body) for sent in stub.requests[seen:]] == [3]
    assert len(chats.read(folder / CHATS)) == 6


def in_json(number: int) -> str:
    said = [f"I have lost umbrella number {number}, sir.", f"Then it is under chair {number}, where you sat last."]
    return json.dumps({"turns": [{"speaker": speaker, "text": text} for speaker, text in zip(("visitor", "character"), said, strict=True)]})


def test_a_teacher_with_structured_output_is_held_to_the_schema_and_checked_by_it(curated: Path, tmp_path: Path) -> None:
    wrong = {1: '{"dialogue": []}', 2: good(2), 3: in_json(3)[:-2]}
    with Endpoint(lambda body, _: Reply(completion(wrong.get(number_of(body)) or in_json(number_of(body))))) as stub:
        folder = project(curated, tmp_path, chats=5, base_url=stub.url, structured=True)
        ran(folder)
    assert all(sent.body["response_format"] == response_format("dialogue") for sent in stub.requests)
    assert all(json.loads(sent.body["messages"][2]["content"])["turns"][0]["speaker"] == "visitor" for sent in stub.requests)
    assert [chats.spoken(chat, "gpt") for chat in chats.read(folder / CHATS)] == [[f"Then it is under chair {n}, where you sat last."] for n in (0, 4)]
    assert [(reject["request"], reject["rule"]) for reject in read_jsonl(folder / REJECTS)] == [(1, "parse.schema"), (2, "parse.json"), (3, "parse.json")]


def critique(score: int) -> str:
    return json.dumps({aspect: {"reason": "So it seems.", "score": score} for aspect in ASPECTS})


def by_both(body: dict, count: int = 1) -> Reply:
    """The teacher writes; the critic gives the chat about umbrella N the score 1 + N % 5, and cannot judge number 2."""
    if body["model"] == "stub-teacher":
        return well(body)
    number = int(body["messages"][1]["content"].split("umbrella number ")[1].split(",")[0])
    return Reply(completion("I would say: good." if number == 2 else critique(1 + number % 5), "stop", 10, 5))


def test_a_critic_scores_each_chat_and_one_that_cannot_be_read_loses_nothing(curated: Path, tmp_path: Path) -> None:
    with Endpoint(by_both) as stub:
        folder = project(curated, tmp_path, chats=6, base_url=stub.url, critic="stub-critic", prices={**PRICE, "stub-critic": {"input": 0, "output": 1000.0}})
        said = ran(folder)
        asked = len(stub.requests)
        before = files(folder)
        ran(folder)
    assert asked == len(stub.requests) == 12 and files(folder) == before
    written = chats.read(folder / CHATS)
    assert [chat.get("critique", {}).get("voice", {}).get("score") for chat in written] == [1, 2, None, 4, 5, 1]
    assert [problem for chat in written if "critique" in chat and (problem := fault("critique", chat["critique"]))] == []
    assert "critic: request 2: I would say: good." in said
    metrics = read_json(folder / METRICS)
    assert (metrics["criticised"], metrics["answers"], metrics["prompt_tokens"], metrics["completion_tokens"]) == (5, 12, 660, 330)
    assert metrics["usd"] == pytest.approx(6 * (0.001 + 0.005) + 6 * 0.005)
    assert [row["request"] for row in read_jsonl(folder / ANSWERS)] == [*range(6), *range(6)]


def test_a_critic_at_a_cap_loses_no_chat_and_says_so(curated: Path, tmp_path: Path) -> None:
    with Endpoint(by_both) as stub:
        folder = project(curated, tmp_path, chats=5, base_url=stub.url, critic="stub-critic", max_requests=7)
        said = ran(folder)
        assert (len(stub.requests), len(chats.read(folder / CHATS))) == (7, 5)
        assert "3 chats have no critique" in said and "missing" not in said
        ran(folder, max_requests=10)
        assert len(stub.requests) == 10


def test_a_chat_that_comes_in_later_makes_the_critic_judge_that_one_alone(curated: Path, tmp_path: Path) -> None:
    """Its place is before others that were judged already."""
    broken = {1}

    def answer(body: dict, count: int) -> Reply:
        return Reply({"error": {"message": "oops"}}, status=500) if body["model"] == "stub-teacher" and number_of(body) in broken else by_both(body)

    with Endpoint(answer) as stub:
        folder = project(curated, tmp_path, chats=5, base_url=stub.url, critic="stub-critic")
        ran(folder)
        broken.clear()
        seen = len(stub.requests)
        ran(folder)
    assert [sent.body["model"] for sent in stub.requests[seen:]] == ["stub-teacher", "stub-critic"]


def test_a_critic_beside_a_teacher_that_is_served_here_is_one_sentence(curated: Path, tmp_path: Path) -> None:
    said = one_sentence(synthesize(project(curated, tmp_path, chats=2, base_url=None, critic="gpt")))
    assert "synthesize.critic is gpt, but without synthesize.base_url one model is served" in said
