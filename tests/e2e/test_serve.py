"""The real server on the real model: OpenAI's own client, many clients, bad ones, and an engine that is killed."""

from __future__ import annotations

import http.client
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import openai
import psutil
import pytest

from tests.e2e.serving import Served, serving

pytestmark = pytest.mark.slow
HELLO = [{"role": "user", "content": "Good evening. What do you make of my boots?"}]


@pytest.fixture(scope="module")
def served(clone, tmp_path_factory) -> Iterator[Served]:
    with serving(clone.folder, tmp_path_factory.mktemp("serve") / "serve.log") as one:
        yield one


def raw(served: Served, head: str, body: bytes = b"") -> socket.socket:
    """A connection with a request on it, whole or not."""
    connection = socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2])), timeout=120)
    connection.sendall(head.replace("\n", "\r\n").encode() + body)
    return connection


def test_the_official_client_gets_the_models_name_and_an_answer(served: Served) -> None:
    client = served.client()
    assert [model.id for model in client.models.list()] == ["merged"]
    answer = client.chat.completions.create(model="merged", messages=HELLO, max_tokens=24)
    assert answer.choices[0].message.content.strip() and 0 < answer.usage.completion_tokens <= 24


def test_a_stream_comes_in_pieces(served: Served) -> None:
    pieces = list(served.client().chat.completions.create(model="merged", messages=HELLO, max_tokens=24, stream=True, extra_body={"ignore_eos": True}))
    assert len([piece for piece in pieces if piece.choices[0].delta.content]) > 5
    assert pieces[-1].choices[0].finish_reason == "length"


def test_sixty_four_clients_at_once_are_all_answered_beside_some_that_hang(served: Served) -> None:
    head = f"POST /v1/chat/completions HTTP/1.1\nHost: x\nAuthorization: Bearer {served.key}\nContent-Length: 100\n\n"
    hanging = [raw(served, head, b"{") for _ in range(20)]
    with ThreadPoolExecutor(64) as pool:
        asked = [pool.submit(lambda: served.client().chat.completions.create(model="merged", messages=HELLO, max_tokens=16)) for _ in range(64)]
        assert all(one.result().usage.completion_tokens > 0 for one in asked)
    for connection in hanging:
        connection.close()


def test_a_client_that_reads_nothing_of_its_stream_holds_up_nobody(served: Served) -> None:
    body = b'{"model": "merged", "stream": true, "max_tokens": 900, "ignore_eos": true, "messages": [{"role": "user", "content": "Go on."}]}'
    head = f"POST /v1/chat/completions HTTP/1.1\nHost: x\nAuthorization: Bearer {served.key}\nContent-Length: {len(body)}\n\n"
    with raw(served, head, body):
        assert served.client().chat.completions.create(model="merged", messages=HELLO, max_tokens=8).choices


def test_a_body_of_ten_megabytes_is_refused_and_the_next_request_answered(served: Served) -> None:
    with pytest.raises(openai.APIStatusError) as error:
        served.client().chat.completions.create(model="merged", messages=[{"role": "user", "content": "x" * 10_000_000}])
    assert error.value.status_code == 413
    assert served.client().chat.completions.create(model="merged", messages=HELLO, max_tokens=4).choices


@pytest.mark.parametrize("key", ["wrong", "a-key-of-this-test-alone-", "\u2026"])
def test_a_wrong_key_is_refused(served: Served, key: str) -> None:
    with pytest.raises((openai.AuthenticationError, UnicodeEncodeError)):
        served.client(key).models.list()


def test_without_a_key_nothing_is_answered_neither_by_the_front_nor_by_the_engine_behind_it(served: Served) -> None:
    (port,) = {match[1] for process in served.engine() if (match := re.search(r"--port (\d+)", " ".join(process.cmdline())))}
    for address in (served.url.removeprefix("http://"), f"127.0.0.1:{port}"):
        connection = http.client.HTTPConnection(address, timeout=60)
        connection.request("GET", "/v1/models")
        assert connection.getresponse().status == 401
    assert not any(served.key in " ".join(process.cmdline()) for process in psutil.process_iter() if process.pid != served.process.pid)


@pytest.mark.parametrize(
    "path", ["/metrics", "/tokenize", "/v1/embeddings", "/v1/load_lora_adapter", "/docs", "/v1/models/../../metrics", "//v1/models", "/v1/models?x=1/../"]
)
def test_a_path_off_the_list_is_not_there(served: Served, path: str) -> None:
    with raw(served, f"GET {path} HTTP/1.1\nHost: x\nAuthorization: Bearer {served.key}\n\n") as connection:
        status = connection.recv(100).split()[1]
    assert status == (b"200" if "?" in path else b"404")


def test_what_vllm_would_take_and_we_do_not_changes_nothing(served: Served) -> None:
    bad = {"chat_template": "{{ 1/0 }}", "structured_outputs": {"regex": "(a+)+$"}, "seed": 1, "prompt_logprobs": 1}
    assert served.client().chat.completions.create(model="merged", messages=HELLO, max_tokens=4, extra_body=bad).choices
    for asked in ({"n": 5}, {"max_tokens": 5000}):
        with pytest.raises(openai.BadRequestError):
            served.client().chat.completions.create(model="merged", messages=HELLO, **asked)
    with pytest.raises(openai.NotFoundError):
        served.client().chat.completions.create(model="other", messages=HELLO)


def test_when_the_engine_is_killed_clients_are_told_and_the_server_ends_whole_and_comes_up_again(clone, tmp_path) -> None:
    with serving(clone.folder, tmp_path / "killed.log") as served:
        left = served.engine()
        (core,) = [process for process in left if "EngineCore" in process.name()]
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(
                lambda: served.client().chat.completions.create(model="merged", messages=HELLO, max_tokens=1000, extra_body={"ignore_eos": True})
            )
            time.sleep(2)
            core.kill()
            with pytest.raises(openai.APIError):
                asking.result(60)
        assert served.process.wait(60) == 1
        assert len(re.findall(r"^error: the model's engine is gone; vLLM ended with status -?\d+\.", served.log.read_text(), re.M)) == 1
        assert [process for process in left if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []
    with serving(clone.folder, tmp_path / "again.log", "--adapter") as again:
        client = again.client()
        assert [model.id for model in client.models.list()] == ["base", "adapter"]
        said = {
            model: client.chat.completions.create(model=model, messages=HELLO, max_tokens=12, temperature=0).choices[0].message.content
            for model in ("base", "adapter")
        }
        assert said["base"].strip() and said["adapter"].strip()
        left = again.engine()
        again.process.terminate()
        assert again.process.wait(60) == 0 and "stopped" in again.log.read_text()
    assert [process for process in left if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []
