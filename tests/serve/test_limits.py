"""What of a request is handed on to the engine."""

from __future__ import annotations

import json

import orjson
import pytest

from tools.serve.limits import CHAT, COMPLETIONS, Limits, Refused, handed_on

HELLO = {"model": "merged", "messages": [{"role": "user", "content": "Hello"}]}
SAMPLING = {"temperature": 0.7, "min_p": 0.05}


def sent(asked: object, path: str = CHAT, seeded: bool = False) -> dict:
    body = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
    return orjson.loads(handed_on(path, body, Limits(tokens=1024, unnamed=512, choices=4), seeded, SAMPLING))


def test_a_request_that_names_nothing_gets_the_measured_sampling_and_a_bound() -> None:
    assert sent(HELLO) == {**SAMPLING, **HELLO, "max_tokens": 512}


def test_what_the_client_names_stays() -> None:
    assert sent({**HELLO, "temperature": 0.2, "max_completion_tokens": 9}) == {**SAMPLING, **HELLO, "temperature": 0.2, "max_completion_tokens": 9}


def test_a_null_is_no_value() -> None:
    assert sent({**HELLO, "temperature": None, "stop": None}) == {**SAMPLING, **HELLO, "max_tokens": 512}


@pytest.mark.parametrize(
    "field",
    [
        "chat_template",
        "chat_template_kwargs",
        "tools",
        "response_format",
        "structured_outputs",
        "guided_regex",
        "prompt_embeds",
        "documents",
        "kv_transfer_params",
    ],
)
def test_a_field_by_which_a_client_brings_its_own_is_left_out(field: str) -> None:
    assert field not in sent({**HELLO, field: "x"})


def test_a_seed_is_handed_on_only_to_an_engine_that_stands_it() -> None:
    assert "seed" not in sent({**HELLO, "seed": 3}) and sent({**HELLO, "seed": 3}, seeded=True)["seed"] == 3


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"n": 5}, "n: a whole number of at least 1 and at most 4 here, found 5"),
        ({"n": 0}, "n: a whole number of at least 1"),
        ({"n": True}, "n: a whole number of at least 1"),
        ({"max_tokens": 1025}, "max_tokens: a whole number of at least 1 and at most 1024 here, found 1025"),
        ({"max_completion_tokens": 10**30}, "max_completion_tokens: a whole number of at least 1"),
        ({"max_tokens": "2"}, "max_tokens: a whole number of at least 1 and at most 1024 here, found '2'"),
        ({"messages": []}, "messages: expected a list"),
        ({"messages": "Hello"}, "messages: expected a list"),
        ({"messages": [{"role": "user"}]}, "content of message 1 is not text"),
        (
            {"messages": [*HELLO["messages"], {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/"}}]}]},
            "content of message 2 is not text",
        ),
    ],
)
def test_what_passes_a_bound_is_refused_in_a_sentence(changed: dict, said: str) -> None:
    with pytest.raises(Refused) as refused:
        sent({**HELLO, **changed})
    assert refused.value.status == 400 and said in str(refused.value)


def test_parts_of_text_are_text() -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
    assert sent({**HELLO, "messages": parts})["messages"] == parts


def test_what_no_engine_would_read_is_refused_and_ends_in_no_traceback() -> None:
    with pytest.raises(Refused, match="the body is not for an engine: Recursion"):
        sent(b'{"messages": [{"role": "user", "content": "Hello"}], "logit_bias": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"NaN", b'{"n": NaN}', b"[" * 100_000, b"\xff\xfe", b'"x"'])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refused, match="JSON"):
        sent(body)


@pytest.mark.parametrize("prompt", [None, ["a", "b"], [1, 2], [[1], [2]], {}])
def test_a_completion_has_one_prompt_which_is_a_text(prompt: object) -> None:
    with pytest.raises(Refused, match="prompt: expected a text"):
        sent({"model": "merged", "prompt": prompt}, COMPLETIONS)
    assert sent({"model": "merged", "prompt": "Once"}, COMPLETIONS)["prompt"] == "Once"
