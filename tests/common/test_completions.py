"""The run of many requests, against a real server on loopback that misbehaves on demand: order, faults that pass, faults that stay."""

from __future__ import annotations

import json
import resource
import threading
import time

import pytest

from stages.common import completions, inference_server
from stages.common.answer_store import Answer, AnswerStore
from stages.common.completions import ATTEMPTS, ERRORS, Request, Terms, Unanswered
from tests.common.asking import AT_LAST, KEY, ask, body, key, refused, sentence, texts
from tests.common.stub_endpoint import Endpoint, Reply, completion

MANY = 20


def test_answers_come_in_the_order_of_requests_though_they_finish_in_another() -> None:
    finished: list[int] = []

    def answer(body: dict, count: int) -> Reply:
        time.sleep(0.05 * (5 - body["seed"]))
        finished.append(body["seed"])
        return Reply(completion(f"Answer {body['seed']}", "length" if body["seed"] == 2 else "stop", 100 + body["seed"], body["seed"]))

    with Endpoint(answer) as stub:
        answers = ask(stub.url, 6)
    assert finished[0] == 5 and finished[-1] == 0
    assert texts(answers) == [f"Answer {n}" for n in range(6)]
    assert answers[2] == Answer("Answer 2", "length", 102, 2)


def test_the_request_goes_out_as_it_was_given_with_the_key_as_bearer() -> None:
    with Endpoint(lambda body, count: Reply(completion("Good day."))) as stub:
        ask(stub.url)
    (sent,) = stub.requests
    assert sent.path == "/v1/chat/completions"
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.body == body()
    assert KEY not in json.dumps(sent.body)


def test_never_more_requests_are_in_flight_than_allowed() -> None:
    with Endpoint(lambda body, count: Reply(completion("Yes."), delay=0.05)) as stub:
        assert len(ask(stub.url, 12, concurrency=3)) == 12
    assert stub.most_at_once == 3


def test_what_the_store_has_is_not_asked_again_and_nobody_connects_for_it(store: AnswerStore) -> None:
    with Endpoint(lambda body, count: Reply(completion(f"Answer {body['seed']}"))) as stub:
        first = ask(stub.url, 3, store)
        assert texts(ask(stub.url, 5, store)) == [f"Answer {n}" for n in range(5)]
    assert sorted(sent.body["seed"] for sent in stub.requests) == [0, 1, 2, 3, 4]
    assert ask(stub.url, 3, store) == first  # the endpoint is closed by now


def test_one_request_twice_in_a_list_is_asked_once_and_another_number_makes_it_another(store: AnswerStore) -> None:
    with Endpoint(lambda body, count: Reply(completion(f"Answer {count}"), delay=0.05)) as stub:
        requests = [Request(0, body()), Request(0, body()), Request(1, body())]
        answers = completions.ask(lambda: (stub.url, KEY), stub.url, requests, Terms(8), "test", store)
    assert len(stub.requests) == 2
    assert answers[0] == answers[1] != answers[2]


# Faults that may pass


@pytest.mark.parametrize("status", [500, 502, 503, 529, 408])
def test_a_server_error_is_tried_five_times_with_growing_waits_then_told_in_one_sentence(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completions, "FIRST_WAIT", 0.04)
    monkeypatch.setattr(completions, "LONGEST_WAIT", 60.0)
    with Endpoint(lambda body, count: Reply({"error": {"message": "the engine is on fire"}}, status)) as stub:
        said = refused(stub.url)
    assert f"{stub.url} answered {status} to model stub" in said and "the engine is on fire" in said
    waits = [later.at - sooner.at for sooner, later in zip(stub.requests, stub.requests[1:], strict=False)]
    assert len(waits) == ATTEMPTS - 1 == 4
    assert all(0.02 * 2**n <= wait <= 0.06 * 2**n + 0.4 for n, wait in enumerate(waits))


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_error_that_passes_is_not_noticed(status: int) -> None:
    with Endpoint(lambda body, count: Reply({}, status) if count < ATTEMPTS else AT_LAST) as stub:
        assert texts(ask(stub.url, 2)) == ["At last."] * 2
    assert len(stub.requests) == 2 * ATTEMPTS


def test_one_request_that_fails_for_good_keeps_no_other_from_its_answer(store: AnswerStore) -> None:
    with Endpoint(lambda body, count: Reply({}, 500) if body["seed"] == 3 else Reply(completion("Yes."))) as stub:
        answers = ask(stub.url, MANY, store)
        assert isinstance(answers[3], Unanswered) and not answers[3].capped
        assert texts(answers[:3] + answers[4:]) == ["Yes."] * (MANY - 1)
        before = len(stub.requests)
        ask(stub.url, MANY, store)
    assert {sent.body["seed"] for sent in stub.requests[before:]} == {3}


@pytest.mark.parametrize(
    "reply", [Reply({"choices": []}), Reply({}, 500), Reply({"error": {"code": "content_filter", "message": "Tut."}}, 400)], ids=["none", "500", "filter"]
)
def test_several_requests_that_fail_for_good_keep_no_other_from_its_answer(reply: Reply, store: AnswerStore) -> None:
    with Endpoint(lambda body, count: reply if body["seed"] % 4 == 3 else Reply(completion("Yes."))) as stub:
        outcomes = ask(stub.url, 40, store)
        assert [isinstance(outcome, Unanswered) for outcome in outcomes] == [number % 4 == 3 for number in range(40)]
        assert not any(outcome.capped for outcome in outcomes[3::4])
    assert len(stub.requests) <= 30 + 10 * ATTEMPTS


def test_an_endpoint_that_is_gone_in_mid_run_ends_it_in_a_sentence_and_the_next_run_asks_for_the_rest_alone(store: AnswerStore) -> None:
    up = threading.Event()

    def answer(body: dict, count: int) -> Reply:
        return Reply(completion("Yes.")) if body["seed"] < 10 or up.is_set() else Reply({}, 503)

    with Endpoint(answer) as stub:
        said = refused(stub.url, 200, store)
        assert "answered 503" in said and "10 of 200 answers are kept" in said
        assert len(stub.requests) <= 10 + ATTEMPTS * (1 / ERRORS + 8)  # not five times the rest
        before = len(stub.requests)
        up.set()
        assert texts(ask(stub.url, 200, store)) == ["Yes."] * 200
    assert sorted(sent.body["seed"] for sent in stub.requests[before:]) == list(range(10, 200))


FAULTS = {
    "hung up": Reply({}, hang_up=True),
    "reset in mid-body": Reply(completion("Never to be read"), cut=40),
    "120 s of silence": Reply(completion("Too late"), delay=120.0),
    "a byte now and then": Reply(completion("Too late"), drip=0.1),
    "a page": Reply(b"<html>Welcome to the proxy</html>", headers={"Content-Type": "text/html"}),
    "half of JSON": Reply(b'{"choices": ['),
    "no UTF-8": Reply(b'{"choices": "\xff\xfe"}'),
    "nothing": Reply(b""),
    "a list": Reply(b"[]"),
    "null": Reply(b"null"),
    "deep": Reply(b"[" * 100_000),
    "an empty object": Reply({}),
    "no choice": Reply(completion("x") | {"choices": []}),
    "choices null": Reply(completion("x") | {"choices": None}),
    "choices a text": Reply(completion("x") | {"choices": "abc"}),
    "a choice a text": Reply(completion("x") | {"choices": ["abc"]}),
    "no message": Reply(completion("x") | {"choices": [{"index": 0, "message": None, "finish_reason": "stop"}]}),
    "content a list": Reply(completion("x") | {"choices": [{"index": 0, "message": {"role": "assistant", "content": [{"type": "text"}]}}]}),
    "an error with status 200": Reply({"error": {"message": "no such model", "code": 404}}),
    "the key in a page": Reply(b" " * 150 + b"x" * 140 + KEY.encode()),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_that_passes_is_tried_again(fault: Reply, store: AnswerStore) -> None:
    with Endpoint(lambda body, count: fault if body["seed"] == 1 and count == 1 else AT_LAST) as stub:
        assert texts(ask(stub.url, 4, store, timeout=0.3)) == ["At last."] * 4
        assert sorted(sent.body["seed"] for sent in stub.requests) == [0, 1, 1, 2, 3]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_that_stays_ends_in_one_sentence_that_names_the_address(fault: Reply) -> None:
    with Endpoint(lambda body, count: fault) as stub:
        (outcome,) = ask(stub.url, timeout=0.5)  # enough to be connected on a busy machine, too little for a byte every 0.1 s
        assert stub.url in sentence(outcome.why)
        assert KEY[:10] not in outcome.why
    assert len(stub.requests) == ATTEMPTS


def test_a_refused_connection_is_tried_again_then_told_in_one_sentence_that_names_the_address() -> None:
    url = f"http://127.0.0.1:{inference_server.free_port()}/v1"
    assert url in refused(url)


# Faults on our side


def test_a_full_disk_ends_the_run_in_a_sentence_that_names_the_store_instead_of_paying_on(store: AnswerStore) -> None:
    """The kernel lets no file grow beyond 1 MiB here: 128 answers of 8 KiB, with their bookings, do not fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Endpoint(lambda body, count: Reply(completion(f"{body['seed']} " + "x" * 8192))) as stub:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
        try:
            said = refused(stub.url, 500, store)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert str(store.path) in said and "store of answers cannot be used" in said and "Move it away" not in said
        assert len(stub.requests) < 130
        kept = len(store.find(key(stub.url, n) for n in range(500)))
        assert kept > 10 and f"{kept} of 500 answers are kept" in said
        assert len(texts(ask(stub.url, 500, store))) == 500  # there is room again


def test_a_mistake_of_our_own_is_told_as_it_is_but_only_after_what_is_on_its_way_is_kept(store: AnswerStore) -> None:
    bodies = [body(number) for number in range(6)]
    del bodies[2]["model"]  # the client names it in its sentence
    with Endpoint(lambda body, count: Reply({}, 500) if body["seed"] == 2 else Reply(completion("Yes."), delay=0.1)) as stub:
        with pytest.raises(KeyError, match="model"):
            completions.ask(lambda: (stub.url, KEY), stub.url, [Request(n, made) for n, made in enumerate(bodies)], Terms(8), "test", store)
        assert len(store.find(key(stub.url, n) for n in range(6))) == 5
