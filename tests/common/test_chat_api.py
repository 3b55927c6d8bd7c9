"""The wire to an endpoint: what its replies hold, what its refusals say, and where prompts and the key go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.common import inference_server
from stages.common.answer_store import Answer, AnswerStore
from stages.common.spending import most
from tests.common.asking import KEY, ask, body, key, refused, texts
from tests.common.stub_endpoint import Endpoint, Reply, completion
from tests.project import ROOT


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


def test_an_address_that_is_not_there_is_told_with_what_to_look_at() -> None:
    with Endpoint(lambda body, count: Reply(b"<h1>Nothing here</h1>", 404)) as stub:
        said = refused(stub.url)
    assert f"{stub.url} answered 404" in said and "Nothing here" in said and "mostly ends in /v1" in said


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
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-another-account")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-of-another-account")
    with Endpoint(lambda body, count: Reply(completion("Yes."))) as stub:
        assert texts(ask(stub.url)) == ["Yes."]
    assert stub.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert "of-another-account" not in str(stub.requests[0])
    assert os.environ["OPENAI_API_KEY"] == "sk-of-another-account"
