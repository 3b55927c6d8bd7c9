"""An endpoint that has too many requests: what is waited for, how many go at once after it, and when it ends."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from stages.common import completions
from stages.common.completions import REFUSALS
from tests.common.asking import AT_LAST, ask, refused, texts
from tests.common.stub_endpoint import Endpoint, Reply, completion

MANY = 20


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


def test_a_retry_after_that_is_a_date_is_waited_for() -> None:
    def later() -> dict[str, str]:
        return {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)}

    with Endpoint(lambda body, count: Reply({}, 429, later()) if count == 1 else AT_LAST) as stub:
        assert texts(ask(stub.url)) == ["At last."]
    first, second = stub.requests
    assert 0.9 <= second.at - first.at < 5.0
