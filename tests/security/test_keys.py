"""No key is written anywhere: not by a run that goes well, not by one that fails, and not when the endpoint itself repeats what it was sent."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.answer.__main__ import converse
from stages.answer.served import Served
from stages.answer.situations import talks
from tests.answer.asked import PARAMETERS
from tests.common.stub_endpoint import Endpoint, Reply, completion
from tests.evaluate import judges
from tests.evaluate.sample import lay_out, records
from tests.security.planted import KEY, OTHERS, echoes, forms, found
from tests.synthesize import holmes
from tests.synthesize.holmes import curated  # noqa: F401

KEYS = [KEY, *OTHERS.values()]


def echoing(make: Callable[[str], Reply]) -> Endpoint:
    """An endpoint that makes its reply of the Authorization header; of each of its forms in turn."""

    def answer(body: dict, count: int) -> Reply:
        forms = list(echoes(stub.requests[-1].headers["authorization"]).values())
        return make(forms[len(stub.requests) % len(forms)])

    stub = Endpoint(answer)
    return stub


def good(body: dict, count: int) -> Reply:
    return Reply(completion(holmes.good(body["seed"]) if "seed" in body else judges.scores(4)))


def every(make: Callable[[str], Reply]) -> Callable[[], Endpoint]:
    return lambda: echoing(make)


ENDPOINTS: dict[str, Callable[[], Endpoint]] = {
    "answers well": lambda: Endpoint(good),
    "says it in its answer": every(lambda told: Reply(completion(f"{holmes.good(1)} {told}"))),
    "says it as the reason why it ended": every(lambda told: Reply(completion(holmes.good(1), finish=told))),
    "says it in a refusal": every(
        lambda told: Reply({"choices": [{"index": 0, "message": {"role": "assistant", "content": None, "refusal": told}, "finish_reason": "stop"}]})
    ),
    "says it in what is no completion": every(lambda told: Reply({"debug": told})),
    "says it in what is no JSON": every(lambda told: Reply(f"<html>{told}".encode())),
    "refuses the key with it": every(lambda told: Reply({"error": {"message": f"Incorrect API key provided: {told}", "code": told}}, 401)),
    "fails with it": every(lambda told: Reply({"error": told}, 500)),
    "fails with it as HTML": every(lambda told: Reply(f"<pre>{told}</pre>".encode(), 502, {"Content-Type": "text/html"})),
    "filters with it": every(lambda told: Reply({"error": {"message": told, "code": "content_filter"}}, 400)),
    "has too many requests": every(lambda told: Reply({"error": {"message": told, "code": "insufficient_quota"}}, 429)),
    "leads elsewhere with it": every(lambda told: Reply({}, 307, {"Location": f"https://elsewhere.example/v1?{told}"})),
    "hangs up": every(lambda told: Reply({}, hang_up=True)),
    "breaks off in it": every(lambda told: Reply(completion(told), cut=150)),
    "lies of its encoding": every(lambda told: Reply({"debug": told}, headers={"Content-Encoding": "gzip"})),
    "breaks HTTP with it": every(lambda told: Reply({}, 200, {"Content-Length": told})),
}
WELL = ("answers well", "says it in its answer", "says it as the reason why it ended", "says it in a refusal", "filters with it")


def test_the_search_finds_a_key_in_every_form(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    for number, told in enumerate(echoes(f"Bearer {KEY}").values()):
        (tmp_path / f".git/{number}").write_text(told)
        assert found([KEY], tmp_path), told
        (tmp_path / f".git/{number}").unlink()
    (tmp_path / "log.gz").write_bytes(gzip.compress(f"key: {KEY}".encode()))
    assert found([KEY], tmp_path) == [f"{tmp_path}/log.gz: as it is"]
    assert len(forms(KEY)) == 8


def stage(run: Callable[..., subprocess.CompletedProcess[str]], folder: Path, well: bool | None) -> None:
    """Run a stage, and hold all that it wrote and said to having no key in it."""
    done = run()
    assert "Traceback" not in done.stderr, done.stderr
    if well is not None:
        assert done.returncode == (0 if well else 1), done.stderr
    assert found(KEYS, folder, said=done.stdout + done.stderr) == []


@pytest.mark.parametrize("does", ENDPOINTS)
def test_no_key_of_the_teachers_is_written_where_the_endpoint(does: str, curated: Path, tmp_path: Path) -> None:  # noqa: F811
    with ENDPOINTS[does]() as stub:
        folder = holmes.project(curated, tmp_path / "project", chats=7, base_url=stub.url, concurrency=2, critic="stub-critic", timeout=5)
        stage(lambda: holmes.run(folder, "-c", holmes.IMPATIENT, **{holmes.VARIABLE: KEY}, **OTHERS), folder, does in WELL)
    assert stub.requests and all(sent.headers["authorization"] == f"Bearer {KEY}" for sent in stub.requests)
    assert not any(key in str((sent.headers | {"authorization": ""}, sent.body)) for sent in stub.requests for key in KEYS)


@pytest.mark.parametrize("does", ["answers well", "says it in its answer", "says it as the reason why it ended", "refuses the key with it", "fails with it"])
def test_no_key_of_the_judges_is_written_where_the_endpoint(does: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, key in OTHERS.items():
        monkeypatch.setenv(name, key)
    with Endpoint(judges.FAIR) if does == "answers well" else ENDPOINTS[does]() as stub:
        folder = judges.judged_by(lay_out(tmp_path / "project", records()), stub.url, concurrency=2, retries=0)
        stage(lambda: judges.run(folder, KEY), folder, None)
    assert stub.requests


@pytest.mark.parametrize("does", ["says it in its answer", "says it as the reason why it ended"])
def test_no_key_of_the_visitors_is_said_to_the_character(does: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAMATIS_TEST_VISITOR_KEY", KEY)
    situation = {"id": "talk-1", "situation": "hostile", "visitor": "You hate {{char}}.", "prompts": ["Bah!", "Boo!", "Pah!"]}
    with Endpoint(lambda body, count: Reply(completion("Aye."))) as arms, ENDPOINTS[does]() as stub:
        own = {"answer.visitor.base_url": stub.url, "answer.visitor.model": "visitor", "answer.visitor.api_key_env": "DRAMATIS_TEST_VISITOR_KEY"}
        asked = talks([situation], {"holmes": {"name": "Sherlock Holmes"}}, ["holmes"])
        (one,) = converse(Served(dict.fromkeys(("base", "adapter"), arms.url), 8), "adapter", asked, lambda _: "You are he.", PARAMETERS | own)
    assert stub.requests
    assert found([KEY], said=str(one) + str([sent.body for sent in arms.requests])) == []


def test_a_key_that_somebody_pasted_for_its_variables_name_is_not_repeated(curated: Path, tmp_path: Path) -> None:  # noqa: F811
    folder = holmes.project(curated, tmp_path / "project", api_key_env=KEY, base_url="http://127.0.0.1:9/v1")
    done = holmes.run(folder, "-m", "stages.synthesize")
    assert done.returncode == 1 and "synthesize.api_key_env" in done.stderr
    assert found([KEY], said=done.stdout + done.stderr) == []
