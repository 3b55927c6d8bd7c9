"""Questions to a stub endpoint through the real client, with waits of a hundredth of their time; its fixtures are taken in by tests/common/conftest.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.common import completions
from stages.common.answer_store import Answer, AnswerStore
from stages.common.completions import Request, Terms, Unanswered
from stages.common.errors import UserError
from tests.common.stub_endpoint import Reply, completion

KEY = "sk-test-5ecre7-4711"
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


def key(url: str, number: int) -> str:
    return completions.key(url, number, body(number))
