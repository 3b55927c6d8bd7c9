"""The client of OpenAI-compatible endpoints, against a real server on loopback. Waits between attempts are noted, not waited for."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages.common import completions, inference_server
from stages.common.errors import UserError
from tests.common.stub_endpoint import Endpoint, Reply, completion

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-test-5ecre7-4711"


def request(number: int = 0) -> dict:
    return {"model": "stub", "messages": [{"role": "user", "content": f"Question {number}"}], "seed": number}


def ask(url: str, count: int = 1, concurrency: int = 8) -> list[completions.Answer]:
    return completions.ask(url, KEY, [request(n) for n in range(count)], concurrency, "test")


def refused(url: str, count: int = 1) -> str:
    """The one sentence with which asking fails; never with the key in it."""
    with pytest.raises(UserError) as failure:
        ask(url, count)
    said = str(failure.value)
    assert said.strip() and "\n" not in said
    assert KEY not in said
    return said


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were to be waited between attempts."""
    noted: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float, result: object = None) -> object:
        if seconds:  # 0 only gives way to others
            noted.append(seconds)
        return await sleep(0, result)

    monkeypatch.setattr(completions.asyncio, "sleep", note)
    return noted


def test_answers_come_in_the_order_of_requests_though_they_finish_in_another() -> None:
    finished: list[int] = []

    def answer(body: dict, count: int) -> Reply:
        delay = 0.05 * (5 - body["seed"])
        time.sleep(delay)
        finished.append(body["seed"])
        return Reply(completion(f"Answer {body['seed']}", "length" if body["seed"] == 2 else "stop", 100 + body["seed"], body["seed"]))

    with Endpoint(answer) as stub:
        answers = ask(stub.url, 6)
    assert finished[0] == 5 and finished[-1] == 0
    assert [answer.text for answer in answers] == [f"Answer {n}" for n in range(6)]
    assert answers[2] == completions.Answer("Answer 2", "length", 102, 2)


def test_the_request_goes_out_as_it_was_given_with_the_key_as_bearer() -> None:
    with Endpoint(lambda body, count: Reply(completion("Good day."))) as stub:
        ask(stub.url)
    (sent,) = stub.requests
    assert sent.path == "/v1/chat/completions"
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.body == request()
    assert KEY not in json.dumps(sent.body)


def test_never_more_requests_are_in_flight_than_allowed() -> None:
    with Endpoint(lambda body, count: Reply(completion("Yes."), delay=0.05)) as stub:
        assert len(ask(stub.url, 12, concurrency=3)) == 12
    assert stub.most_at_once == 3


def test_an_answer_without_words_is_an_empty_text() -> None:
    reply = completion("") | {"usage": None}
    reply["choices"][0]["message"]["content"] = None
    with Endpoint(lambda body, count: Reply(reply)) as stub:
        assert ask(stub.url) == [completions.Answer("", "stop", 0, 0)]


def test_half_a_character_in_an_answer_becomes_text_that_can_be_written() -> None:
    """JSON can hold one half of a surrogate pair (where an answer was cut inside an emoji); UTF-8 cannot."""
    with Endpoint(lambda body, count: Reply(completion("Capital, Watson \ud83d"))) as stub:
        (answer,) = ask(stub.url)
    assert answer.text.encode("utf-8").startswith(b"Capital, Watson ")


@pytest.mark.parametrize(("after", "waited"), [("7", 7.0), ("0.5", 0.5), ("3600", 60.0)])
def test_too_many_requests_is_tried_again_after_the_time_the_server_names_but_a_minute_at_most(waits: list[float], after: str, waited: float) -> None:
    with Endpoint(lambda body, count: Reply({}, 429, {"Retry-After": after}) if count == 1 else Reply(completion("At last."))) as stub:
        assert ask(stub.url)[0].text == "At last."
    assert waits == [waited]


def test_a_date_in_retry_after_is_no_reason_to_fall_over(waits: list[float]) -> None:
    date = "Wed, 21 Oct 2065 07:28:00 GMT"  # RFC 9110, 10.2.3 allows seconds or a date
    with Endpoint(lambda body, count: Reply({}, 429, {"Retry-After": date}) if count == 1 else Reply(completion("At last."))) as stub:
        assert ask(stub.url)[0].text == "At last."
    assert len(waits) == 1 and 0 < waits[0] <= 60


def test_a_server_error_is_tried_five_times_with_growing_waits_then_told_in_one_sentence(waits: list[float]) -> None:
    with Endpoint(lambda body, count: Reply({"error": {"message": "the engine is on fire"}}, 500)) as stub:
        said = refused(stub.url)
    assert "the endpoint answered 500 to model stub" in said and "the engine is on fire" in said
    assert len(stub.requests) == 5
    assert waits == [2, 4, 8, 16]


def test_a_server_error_that_passes_is_not_noticed(waits: list[float]) -> None:
    with Endpoint(lambda body, count: Reply({}, 503) if count < 5 else Reply(completion("Here."))) as stub:
        assert [answer.text for answer in ask(stub.url, 2)] == ["Here.", "Here."]
    assert sorted(waits) == [2, 2, 4, 4, 8, 8, 16, 16]


def test_a_refusal_fails_at_once_with_the_servers_words_and_the_others_do_not_hang(waits: list[float]) -> None:
    def answer(body: dict, count: int) -> Reply:
        if body["seed"] == 3:
            return Reply({"error": {"message": "max_tokens is too large: 400"}}, 400)
        return Reply(completion("Yes."), delay=0.1)

    with Endpoint(answer) as stub:
        began = time.monotonic()
        said = refused(stub.url, 8)
        assert time.monotonic() - began < 5
    assert "answered 400 to model stub" in said and "max_tokens is too large: 400" in said
    assert sum(sent.body["seed"] == 3 for sent in stub.requests) == 1
    assert {sent.body["seed"] for sent in stub.requests} == set(range(8))
    assert waits == []


def test_a_refused_connection_is_tried_five_times_then_told_in_one_sentence_that_names_the_address(waits: list[float]) -> None:
    url = f"http://127.0.0.1:{inference_server.free_port()}/v1"
    assert url in refused(url)
    assert waits == [2, 4, 8, 16]


def test_a_connection_that_is_cut_is_tried_again(waits: list[float]) -> None:
    with Endpoint(lambda body, count: Reply({}, hang_up=True) if count == 1 else Reply(completion("Here."))) as stub:
        assert ask(stub.url)[0].text == "Here."
    assert waits == [2]


@pytest.mark.parametrize("status", [401, 500])
def test_a_server_that_repeats_the_key_does_not_bring_it_into_the_error(status: int) -> None:
    with Endpoint(lambda body, count: Reply({"error": {"message": f"Incorrect API key provided: {KEY}"}}, status)) as stub:
        assert f"answered {status}" in refused(stub.url)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"<html>Welcome to the proxy</html>", headers={"Content-Type": "text/html"}),
        Reply(b'{"choices": ['),
        Reply({}),
        Reply(completion("x") | {"choices": []}),
        Reply(completion("x") | {"choices": None}),
        Reply(completion("x") | {"choices": "abc"}),
        Reply(completion("x") | {"choices": ["abc"]}),
        Reply(completion("x") | {"choices": [{"index": 0, "message": None, "finish_reason": "stop"}]}),
        Reply(completion("x") | {"choices": [{"index": 0, "message": {"role": "assistant", "content": [{"type": "text"}]}, "finish_reason": "stop"}]}),
        Reply({"error": {"message": "no such model", "code": 404}}),
    ],
    ids=[
        "a page",
        "half of JSON",
        "an empty object",
        "no choice",
        "choices null",
        "choices a text",
        "a choice a text",
        "no message",
        "content a list",
        "an error with status 200",
    ],
)
def test_a_reply_that_is_no_completion_gets_one_sentence(reply: Reply) -> None:
    with Endpoint(lambda body, count: reply) as stub:
        refused(stub.url)


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
url, key, request = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
answers = completions.ask(url, key, [request] * 3, 2, "test")
print(json.dumps({"texts": [answer.text for answer in answers], "seen": seen}))
"""


def test_prompts_and_reports_go_nowhere_but_to_the_endpoint() -> None:
    with Endpoint(lambda body, count: Reply(completion("Yes."))) as stub:
        command = [sys.executable, "-c", WATCHED, stub.url, KEY, json.dumps(request())]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    told = json.loads(done.stdout)
    assert told["texts"] == ["Yes."] * 3
    assert told["seen"] and all("127.0.0.1" in address and str(stub.port) in address for address in told["seen"])
    assert KEY not in done.stderr


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """A proxy in the environment, as companies set one, that answers for whatever it is asked."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Endpoint(lambda body, count: Reply(completion("from the proxy"))) as stub:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{stub.port}")
        yield stub


def test_prompts_for_a_server_on_loopback_do_not_go_to_the_companys_proxy(proxy: Endpoint) -> None:
    with Endpoint(lambda body, count: Reply(completion("from the server"))) as stub:
        assert ask(stub.url)[0].text == "from the server"
    assert proxy.requests == []


def test_the_question_whether_the_server_is_ready_does_not_go_to_the_companys_proxy(proxy: Endpoint) -> None:
    with Endpoint(lambda body, count: Reply(completion("from the server"))) as stub:
        told = inference_server.post(f"{stub.url}/completions", {"model": "base", "prompt": "Good morning"})
    assert told["choices"][0]["message"]["content"] == "from the server"
    assert proxy.requests == []


def test_the_clients_own_settings_in_the_environment_change_neither_address_nor_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/elsewhere")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-account")
    with Endpoint(lambda body, count: Reply(completion("Yes."))) as stub:
        assert ask(stub.url)[0].text == "Yes."
    assert stub.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert "sk-of-another-account" not in str(stub.requests[0])
    assert os.environ["OPENAI_API_KEY"] == "sk-of-another-account"
