"""The client of OpenAI-compatible endpoints, against a real server on loopback that misbehaves on demand."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from stages.common import completions, inference_server
from stages.common.answer_store import Answer, AnswerStore
from stages.common.completions import ATTEMPTS, ERRORS, REFUSALS, Request, Terms, Unanswered
from stages.common.errors import UserError
from stages.common.spending import most
from tests.common.stub_endpoint import Endpoint, Reply, completion

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-test-5ecre7-4711"
MANY = 20
AT_LAST = Reply(completion("At last."))


def body(number: int = 0) -> dict:
    return {"model": "stub", "messages": [{"role": "user", "content": f"Question {number}"}], "seed": number, "max_tokens": 7}


def ask(url: str, count: int = 1, store: AnswerStore | None = None, concurrency: int = 8, **terms: float) -> list[Answer | Unanswered]:
    requests = [Request(number, body(number)) for number in range(count)]
    return completions.ask(lambda: (url, KEY), url, requests, Terms(concurrency, **{"timeout": 5.0, **terms}), "test", store)


def texts(answers: list[Answer | Unanswered]) -> list[str]:
    return [answer.text for answer in completions.all_answered(answers)]


def refused(url: str, count: int = 1, store: AnswerStore | None = None) -> str:
    """The one sentence with which asking fails; never with the key in it."""
    with pytest.raises(UserError) as failure:
        completions.all_answered(ask(url, count, store))
    return sentence(str(failure.value))


def sentence(said: str) -> str:
    assert said.strip() and "\n" not in said
    assert KEY not in said
    return said


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of our own choice take a hundredth of their time."""
    monkeypatch.setattr(completions, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(completions, "LONGEST_WAIT", 0.1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AnswerStore]:
    with AnswerStore(tmp_path / "answers.sqlite") as answers:
        yield answers


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


def test_an_answer_without_words_is_an_empty_text_and_tokens_that_nobody_counted_are_taken_at_their_most() -> None:
    reply = completion("") | {"usage": None}
    reply["choices"][0]["message"]["content"] = None
    with Endpoint(lambda body, count: Reply(reply)) as stub:
        assert ask(stub.url) == [Answer("", "stop", most(body()).prompt_tokens, 7)]


@pytest.mark.parametrize("count", [-5, "12", 1.5, None])
def test_counts_of_tokens_that_are_none_are_taken_at_their_most(count: object) -> None:
    with Endpoint(lambda body, n: Reply(completion("Yes.") | {"usage": {"prompt_tokens": 3, "completion_tokens": count}})) as stub:
        assert ask(stub.url) == [Answer("Yes.", "stop", 3, 7)]


@pytest.mark.parametrize("usage", ["many", [1], {"prompt_tokens": 10**20, "completion_tokens": 10**20}, {"prompt_tokens": True}], ids=str)
def test_an_odd_count_loses_no_answer_and_is_taken_at_its_most(usage: object, store: AnswerStore) -> None:
    with Endpoint(lambda body, count: Reply(completion("Paid for.") | {"usage": usage})) as stub:
        (answer,) = ask(stub.url, store=store)
        assert (answer.text, answer.completion_tokens) == ("Paid for.", 7) and 256 < answer.prompt_tokens < 1000
        assert ask(stub.url, store=store) == [answer] and len(stub.requests) == 1


def test_an_odd_reason_to_end_and_an_answer_in_parts_are_kept(store: AnswerStore) -> None:
    parts = [{"type": "text", "text": "In "}, {"type": "reasoning", "text": "hm"}, {"type": "text", "text": "parts."}]
    choice = {"index": 0, "message": {"role": "assistant", "content": parts}, "finish_reason": "st\ud800op"}
    with Endpoint(lambda body, count: Reply(completion("") | {"choices": [choice]})) as stub:
        (answer,) = ask(stub.url, store=store)
    assert (answer.text, answer.finish) == ("In parts.", "st?op")


def test_a_key_that_the_server_writes_into_its_answer_is_not_kept(store: AnswerStore) -> None:
    with Endpoint(lambda body, count: Reply(completion(f"Your key is {KEY}!"))) as stub:
        (answer,) = ask(stub.url, store=store)
    assert answer.text == "Your key is ***!"
    assert not any(KEY.encode() in file.read_bytes() for file in store.path.parent.iterdir())


def test_half_a_character_in_an_answer_becomes_text_that_can_be_written(store: AnswerStore) -> None:
    """JSON can hold one half of a surrogate pair (where an answer was cut inside an emoji); UTF-8 cannot."""
    with Endpoint(lambda body, count: Reply(completion("Capital, Watson \ud83d"))) as stub:
        (answer,) = ask(stub.url, 1, store)
    assert answer.text.encode("utf-8").startswith(b"Capital, Watson ")


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_an_answer_that_was_cut_off_is_an_answer_that_says_so(finish: str) -> None:
    with Endpoint(lambda body, count: Reply(completion("My dear Wat", finish))) as stub:
        assert ask(stub.url) == [Answer("My dear Wat", finish, 10, 5)]
    assert len(stub.requests) == 1


def test_a_refusal_in_the_endpoints_own_field_is_an_answer_that_says_so() -> None:
    reply = completion("")
    reply["choices"][0]["message"] = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
    with Endpoint(lambda body, count: Reply(reply)) as stub:
        assert ask(stub.url) == [Answer("I cannot help with that.", "refusal", 10, 5)]


# Too many requests


def test_too_many_requests_holds_the_whole_run_for_as_long_as_the_server_says_then_asks_half_as_much_at_once_and_grows_again() -> None:
    refusal: list[float] = []
    all_eight = threading.Barrier(8, timeout=5)

    def answer(body: dict, count: int) -> Reply:
        if body["seed"] < 8 and count == 1:
            all_eight.wait()
            if body["seed"] == 7:
                refusal.append(time.monotonic())
                return Reply({}, 429, {"Retry-After": "0.6"})
        return Reply(completion("Yes."), delay=0.03)

    with Endpoint(answer) as stub:
        assert texts(ask(stub.url, 80)) == ["Yes."] * 80
    since = [sent.at - refusal[0] for sent in stub.requests]
    assert not [seconds for seconds in since if 0.1 < seconds < 0.59]
    later = [sent.at_once for sent, seconds in zip(stub.requests, since, strict=True) if seconds >= 0.59]
    assert len(later) > 40
    assert max(later[:8]) <= 4 < max(later) <= 8
    assert len(stub.requests) == 81


def test_of_a_wave_of_refusals_only_the_first_halves() -> None:
    all_eight, four_at_once = threading.Barrier(8, timeout=5), threading.Barrier(4, timeout=5)

    def answer(body: dict, count: int) -> Reply:
        (all_eight if count == 1 else four_at_once).wait()
        return Reply({}, 429) if count == 1 else Reply(completion("Yes."))

    with Endpoint(answer) as stub:
        assert texts(ask(stub.url, 8)) == ["Yes."] * 8
    assert max(sent.at_once for sent in stub.requests[8:12]) == 4


def test_too_many_requests_without_a_time_waits_a_growing_one_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completions, "FIRST_WAIT", 0.1)
    monkeypatch.setattr(completions, "LONGEST_WAIT", 60.0)
    with Endpoint(lambda body, count: Reply({}, 429) if count < 4 else AT_LAST) as stub:
        assert texts(ask(stub.url)) == ["At last."]
    first, second, third = (later.at - sooner.at for sooner, later in zip(stub.requests, stub.requests[1:], strict=False))
    assert 0.05 <= first <= 0.5 and 0.1 <= second <= 0.7 and 0.2 <= third <= 1.0


def test_a_server_that_says_no_wait_at_all_is_not_asked_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completions, "FIRST_WAIT", 0.1)
    with Endpoint(lambda body, count: Reply({}, 429, {"Retry-After": "0"}) if count == 1 else AT_LAST) as stub:
        ask(stub.url)
    assert stub.requests[1].at - stub.requests[0].at >= 0.05


@pytest.mark.parametrize("after", ["Wed, 21 Oct 2015 07:28:00 GMT", "soon", "-3", "nan"])
def test_a_retry_after_that_is_past_or_cannot_be_read_is_no_reason_to_fall_over(after: str) -> None:
    """RFC 9110, 10.2.3 allows seconds or a date."""
    with Endpoint(lambda body, count: Reply({}, 429, {"Retry-After": after}) if count == 1 else AT_LAST) as stub:
        assert texts(ask(stub.url)) == ["At last."]


@pytest.mark.parametrize("after", ["3600", "inf", "Wed, 21 Oct 2065 07:28:00 GMT"])
def test_a_server_that_asks_for_an_hour_ends_the_run_in_a_sentence(after: str) -> None:
    with Endpoint(lambda body, count: Reply({"error": {"message": "slow down"}}, 429, {"Retry-After": after})) as stub:
        said = refused(stub.url)
    assert "slow down" in said and "asks to wait" in said
    assert len(stub.requests) == 1


def test_a_server_that_always_has_too_many_requests_ends_in_its_words() -> None:
    with Endpoint(lambda body, count: Reply({"error": {"message": "rate limit of tier 1"}}, 429)) as stub:
        assert "rate limit of tier 1" in refused(stub.url, MANY)
    assert max(sum(sent.body["seed"] == seed for sent in stub.requests) for seed in range(MANY)) == REFUSALS


def test_one_request_that_is_always_one_too_many_keeps_no_other_from_its_answer() -> None:
    with Endpoint(lambda body, count: Reply({"error": {"message": "too large"}}, 429) if body["seed"] == 3 else Reply(completion("Yes."))) as stub:
        answers = ask(stub.url, MANY)
    assert "too large" in answers.pop(3).why
    assert texts(answers) == ["Yes."] * (MANY - 1)
    assert sum(sent.body["seed"] == 3 for sent in stub.requests) == REFUSALS


def test_an_account_without_money_ends_the_run_at_once() -> None:
    error = {"error": {"message": "You exceeded your current quota", "type": "insufficient_quota", "code": "insufficient_quota"}}
    with Endpoint(lambda body, count: Reply(error, 429)) as stub:
        assert "exceeded your current quota" in refused(stub.url)
    assert len(stub.requests) == 1


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


def test_a_retry_after_that_is_a_date_is_waited_for() -> None:
    def later() -> dict[str, str]:
        return {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)}

    with Endpoint(lambda body, count: Reply({}, 429, later()) if count == 1 else AT_LAST) as stub:
        assert texts(ask(stub.url)) == ["At last."]
    first, second = stub.requests
    assert 0.9 <= second.at - first.at < 5.0


def test_an_address_that_is_not_there_is_told_with_what_to_look_at() -> None:
    with Endpoint(lambda body, count: Reply(b"<h1>Nothing here</h1>", 404)) as stub:
        said = refused(stub.url)
    assert f"{stub.url} answered 404" in said and "Nothing here" in said and "mostly ends in /v1" in said


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
        (outcome,) = ask(stub.url, timeout=0.1)
        assert stub.url in sentence(outcome.why)
        assert KEY[:10] not in outcome.why
    assert len(stub.requests) == ATTEMPTS


def test_a_refused_connection_is_tried_again_then_told_in_one_sentence_that_names_the_address() -> None:
    url = f"http://127.0.0.1:{inference_server.free_port()}/v1"
    assert url in refused(url)


# Faults that do not pass


@pytest.mark.parametrize(
    ("status", "words"),
    [(400, "max_tokens is too large: 400"), (401, "the key is wrong"), (402, "no money"), (404, "The model `stub` does not exist"), (422, "no such field")],
)
def test_a_refusal_ends_the_run_at_once_with_the_servers_words_and_what_is_on_its_way_is_kept(status: int, words: str, store: AnswerStore) -> None:
    def answer(body: dict, count: int) -> Reply:
        return Reply({"error": {"message": words}}, status) if body["seed"] == 3 else Reply(completion("Yes."), delay=0.1)

    with Endpoint(answer) as stub:
        began = time.monotonic()
        said = refused(stub.url, 100, store)
        assert time.monotonic() - began < 5
    assert f"answered {status} to model stub" in said and words in said
    assert sorted(sent.body["seed"] for sent in stub.requests) == list(range(8))  # those that were on their way
    assert "7 of 100 answers are kept" in said
    assert sum(isinstance(answer, Answer) for answer in store.find(key(stub.url, n) for n in range(8)).values()) == 7


def key(url: str, number: int) -> str:
    return completions.key(url, number, body(number))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_key_does_not_travel(status: int) -> None:
    with Endpoint(lambda body, count: Reply(completion("Come in, come in."))) as elsewhere:
        with Endpoint(lambda body, count: Reply({}, status, {"Location": f"{elsewhere.url}/chat/completions?key={KEY}"})) as stub:
            said = refused(stub.url)
    assert "redirect" in said and elsewhere.url in said
    assert len(stub.requests) == 1
    assert elsewhere.connections == 0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that nobody vouches for, and its key, in one file."""
    pem = tmp_path_factory.mktemp("tls") / "self-signed.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    subprocess.run([*command, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", pem, "-out", pem], check=True, capture_output=True)
    return pem


def test_a_certificate_that_nobody_vouches_for_ends_the_run_at_once_and_the_key_stays_here(certificate: Path) -> None:
    with Endpoint(lambda body, count: Reply(completion("Trust me.")), certificate) as stub:
        said = refused(stub.url)
        assert stub.url in said and "certificate verify failed" in said
    assert stub.connections == 1
    assert stub.requests == []


@pytest.mark.parametrize("status", [401, 429, 500])
def test_a_server_that_repeats_the_key_does_not_bring_it_into_the_error(status: int) -> None:
    with Endpoint(lambda body, count: Reply({"error": {"message": f"Incorrect API key\nprovided: {KEY}"}}, status)) as stub:
        assert f"answered {status}" in refused(stub.url)


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


# Where prompts and the key go


# Notes every address that a fresh process connects to or looks up, from before the client is imported.
WATCHED = """
import json, sys
seen = []
def note(event, arguments):
    if event in ("socket.connect", "socket.sendto"):
        seen.append(str(arguments[1]))
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        seen.append(str(arguments[:2]))
sys.addaudithook(note)
from stages.common import completions
url, key, body = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
requests = [completions.Request(number, body) for number in range(3)]
answers = completions.ask(lambda: (url, key), url, requests, completions.Terms(2), "test")
print(json.dumps({"texts": [answer.text for answer in answers], "seen": seen}))
"""


def test_prompts_and_reports_go_nowhere_but_to_the_endpoint() -> None:
    with Endpoint(lambda body, count: Reply(completion("Yes."))) as stub:
        command = [sys.executable, "-c", WATCHED, stub.url, KEY, json.dumps(body())]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    told = json.loads(done.stdout)
    assert told["texts"] == ["Yes."] * 3
    assert told["seen"] and all("127.0.0.1" in address and str(stub.port) in address for address in told["seen"])
    assert KEY not in done.stderr


def test_the_key_is_in_no_file_of_the_store(store: AnswerStore) -> None:
    with Endpoint(lambda body, count: Reply(completion("Yes."))) as stub:
        ask(stub.url, 3, store)
    files = list(store.path.parent.iterdir())
    assert len(files) >= 2 and not any(KEY.encode() in file.read_bytes() for file in files)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """A proxy in the environment, as companies set one, that answers for whatever it is asked."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Endpoint(lambda body, count: Reply(completion("from the proxy"))) as stub:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{stub.port}")
        yield stub


def test_prompts_for_a_server_on_loopback_do_not_go_to_the_companys_proxy(proxy: Endpoint) -> None:
    with Endpoint(lambda body, count: Reply(completion("from the server"))) as stub:
        assert texts(ask(stub.url)) == ["from the server"]
    assert proxy.requests == []


def test_prompts_for_a_server_elsewhere_do_go_to_the_companys_proxy(proxy: Endpoint) -> None:
    assert texts(ask("http://teacher.example/v1")) == ["from the proxy"]


def test_the_question_whether_the_server_is_ready_does_not_go_to_the_companys_proxy(proxy: Endpoint) -> None:
    with Endpoint(lambda body, count: Reply(completion("from the server"))) as stub:
        told = inference_server.post(f"{stub.url}/completions", {"model": "base", "prompt": "Good morning"})
    assert told["choices"][0]["message"]["content"] == "from the server"
    assert proxy.requests == []


def test_the_clients_own_settings_in_the_environment_change_neither_address_nor_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/elsewhere")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-account")
    with Endpoint(lambda body, count: Reply(completion("Yes."))) as stub:
        assert texts(ask(stub.url)) == ["Yes."]
    assert stub.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert "sk-of-another-account" not in str(stub.requests[0])
    assert os.environ["OPENAI_API_KEY"] == "sk-of-another-account"
