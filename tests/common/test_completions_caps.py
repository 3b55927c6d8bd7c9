"""The caps and the limits a minute that no run passes, as a real server on loopback sees them."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from stages.common import completions
from stages.common.answer_store import Answer, AnswerStore
from stages.common.completions import ATTEMPTS, Request, Terms, Unanswered
from stages.common.inference_server import free_port
from stages.common.spending import FREE, Caps, Ledger, Price, Use, likely, most
from tests.common.stub_endpoint import Endpoint, Reply, completion
from tests.project import ROOT

PRICE = Price(2.5, 10.0)
COUNT = 60


def body(number: int) -> dict:
    return {"model": "stub", "messages": [{"role": "user", "content": f"Question {number} " + "x" * (number % 7) * 20}], "max_tokens": 40 + number % 30}


def ask(url: str, ledger: Ledger, store: AnswerStore | None = None, count: int = COUNT, price: Price = PRICE, **terms: float) -> list[Answer | Unanswered]:
    requests = [Request(number, body(number)) for number in range(count)]
    return completions.ask(lambda: (url, "sk-test"), "stub", requests, Terms(**{"concurrency": 8, **terms}), "test", store, ledger, price)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completions, "FIRST_WAIT", 0.01)


class Bill:
    """What a server charges, and as each request came, what it could come to if all that were there then were as dear as can be."""

    def __init__(self) -> None:
        self.charged = self.open = Use()
        self.feared: list[Use] = []
        self.lock = threading.Lock()

    def answer(self, body: dict, count: int) -> Reply:
        upper = most(body, PRICE)
        with self.lock:
            self.open += upper
            self.feared.append(self.charged + self.open)
        draw = random.Random(str(body))
        prompt, completion_tokens = draw.randint(5, 40), draw.randint(1, body["max_tokens"])
        time.sleep(draw.uniform(0.0, 0.02))
        with self.lock:
            self.open -= upper
            self.charged += PRICE.use(prompt, completion_tokens)
        return Reply(completion(f"Answer to {body['messages'][0]['content']}", prompt_tokens=prompt, completion_tokens=completion_tokens))


@pytest.mark.parametrize(
    ("caps", "name"),
    [(Caps(requests=23), "max_requests 23"), (Caps(tokens=2000), "max_tokens 2000"), (Caps(usd=0.012), "max_usd 0.012"), (Caps(requests=0), "max_requests 0")],
    ids=["requests", "tokens", "dollars", "nothing at all"],
)
def test_the_server_never_sees_a_request_that_could_pass_a_cap(caps: Caps, name: str) -> None:
    bill, ledger = Bill(), Ledger(caps)
    with Endpoint(bill.answer) as stub:
        outcomes = ask(stub.url, ledger)
    for cap, feared in ((caps.requests, "requests"), (caps.tokens, "tokens"), (caps.usd, "usd")):
        assert cap is None or all(getattr(use, feared) <= cap for use in bill.feared)
    answers, capped = ([outcome for outcome in outcomes if isinstance(outcome, kind)] for kind in (Answer, Unanswered))
    assert 0 < len(capped) < COUNT or caps.requests == 0
    assert all(outcome.capped and outcome.why == f"{name} would be passed" for outcome in capped)
    assert len(answers) == len(stub.requests) == bill.charged.requests == ledger.spent.requests
    assert (ledger.spent.tokens, ledger.spent.usd) == (bill.charged.tokens, pytest.approx(bill.charged.usd))
    assert ledger.in_flight.requests == ledger.in_flight.tokens == 0


@pytest.mark.parametrize("caps", [Caps(tokens=2000), Caps(usd=0.012)], ids=["tokens", "dollars"])
def test_a_cap_is_used_up_as_far_as_the_next_request_at_its_dearest(caps: Caps) -> None:
    """It waits for what is in flight, which may cost less than feared, before it gives up."""
    bill, ledger = Bill(), Ledger(caps)
    with Endpoint(bill.answer) as stub:
        ask(stub.url, ledger)
    dearest = max((most(body(number), PRICE) for number in range(COUNT)), key=lambda use: use.tokens)
    assert caps.tokens is None or bill.charged.tokens > caps.tokens - dearest.tokens
    assert caps.usd is None or bill.charged.usd > caps.usd - dearest.usd


def test_a_second_run_with_a_higher_cap_asks_only_for_the_rest_and_counts_what_the_first_one_spent(tmp_path: Path) -> None:
    bill = Bill()
    with Endpoint(bill.answer) as stub, AnswerStore(tmp_path / "answers.sqlite") as store:
        ask(stub.url, Ledger(Caps(requests=20)), store)
        assert len(stub.requests) == 20
        ask(stub.url, Ledger(Caps(requests=20)), store)
        assert len(stub.requests) == 20
        second = Ledger(Caps(requests=45))
        ask(stub.url, second, store)
        assert len(stub.requests) == second.spent.requests == 45
        outcomes = ask(stub.url, Ledger(Caps(requests=COUNT)), store)
    assert [outcome.text for outcome in outcomes] == [f"Answer to {body(number)['messages'][0]['content']}" for number in range(COUNT)]
    assert len({str(sent.body) for sent in stub.requests}) == len(stub.requests) == COUNT


@pytest.mark.parametrize("lost", [{"cut": 10}, {"cut": 0}, {"hang_up": True}], ids=["in mid-body", "after the header", "before it"])
def test_what_may_have_been_paid_for_and_lost_counts_at_its_most(lost: dict) -> None:
    with Endpoint(lambda body, count: Reply(completion("Lost"), **lost)) as stub:
        ledger = Ledger(Caps(requests=3))
        (outcome,) = ask(stub.url, ledger, count=1)
    assert outcome.capped and len(stub.requests) == 3
    upper = most(body(0), PRICE)
    assert (ledger.spent.requests, ledger.spent.tokens) == (3, 3 * upper.tokens)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_an_endpoint_turns_away_counts_nothing(status: int) -> None:
    with Endpoint(lambda body, count: Reply({}, status) if count < ATTEMPTS else Reply(completion("Yes."))) as stub:
        ledger = Ledger(Caps(requests=1))
        (outcome,) = ask(stub.url, ledger, count=1)
    assert outcome.text == "Yes." and len(stub.requests) == ATTEMPTS
    assert ledger.spent.requests == 1


def test_a_connection_that_is_refused_counts_nothing() -> None:
    ledger = Ledger(Caps(requests=1))
    (outcome,) = ask(f"http://127.0.0.1:{free_port()}/v1", ledger, count=1)
    assert "Connect call failed" in outcome.why and not outcome.capped
    assert ledger.spent == Use()


def test_so_many_requests_a_minute_and_no_more() -> None:
    with Endpoint(lambda body, count: Reply(completion("Yes."))) as stub:
        began = time.monotonic()
        ask(stub.url, Ledger(), requests_per_minute=3000, price=FREE)
        seconds = time.monotonic() - began
    arrivals = [sent.at for sent in stub.requests]
    assert (COUNT - 1) / 50 - 0.15 <= arrivals[-1] - arrivals[0]
    assert seconds < (COUNT - 1) / 50 + 1.0
    assert all(later - sooner > 9 / 50 - 0.15 for sooner, later in zip(arrivals, arrivals[9:], strict=False))


def test_so_many_tokens_a_minute_and_no_more() -> None:
    tokens = [likely(body(number)).tokens for number in range(20)]
    a_minute = 60 * sum(tokens) / 1.0  # all of them in a second
    with Endpoint(lambda body, count: Reply(completion("Yes."))) as stub:
        ask(stub.url, Ledger(), count=20, tokens_per_minute=a_minute, price=FREE)
    arrivals = [sent.at for sent in stub.requests]
    assert arrivals[-1] - arrivals[0] >= sum(tokens[:-1]) * 60 / a_minute - 0.15


# Caps over several runs


def test_what_was_lost_counts_in_the_next_run_too(tmp_path: Path) -> None:
    with Endpoint(lambda body, count: Reply({"choices": []})) as stub, AnswerStore(tmp_path / "answers.sqlite") as store:
        for _ in range(3):
            ask(stub.url, Ledger(Caps(requests=10)), store, count=2)
    assert len(stub.requests) == 10


RUN = """
import sys
from pathlib import Path
from stages.common.answer_store import AnswerStore
from stages.common.spending import Caps, Ledger
from tests.common.test_completions_caps import ask
with AnswerStore(Path(sys.argv[2])) as store:
    ask(sys.argv[1], Ledger(Caps(requests=int(sys.argv[3]))), store, count=60)
"""


def started(url: str, path: Path, cap: int) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", RUN, url, str(path), str(cap)], cwd=ROOT, stderr=subprocess.DEVNULL)


def test_two_runs_at_once_hold_one_cap_together(tmp_path: Path) -> None:
    with Endpoint(lambda body, count: Reply(completion("Yes."), delay=0.1)) as stub:
        runs = [started(stub.url, tmp_path / "answers.sqlite", 20) for _ in range(3)]
        assert [run.wait(60) for run in runs] == [0, 0, 0]
    assert len(stub.requests) == len({str(sent.body) for sent in stub.requests}) == 20


def test_what_a_killed_run_had_in_flight_counts(tmp_path: Path) -> None:
    with Endpoint(lambda body, count: Reply(completion("Yes."), delay=0.3)) as stub:
        for _ in range(3):
            run, before = started(stub.url, tmp_path / "answers.sqlite", 30), len(stub.requests)
            while len(stub.requests) < before + 5:
                time.sleep(0.01)
            run.kill()
            run.wait()
        assert started(stub.url, tmp_path / "answers.sqlite", 30).wait(60) == 0
    assert 15 < len(stub.requests) <= 30


def test_a_cap_that_lets_nothing_through_connects_to_nobody() -> None:
    def connect() -> tuple[str, str]:
        raise AssertionError("nobody is asked")

    (outcome,) = completions.ask(connect, "stub", [Request(0, body(0))], Terms(1), "test", None, Ledger(Caps(requests=0)))
    assert outcome.capped and "max_requests 0" in outcome.why


def test_a_store_from_before_the_book_counts_its_answers(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    with Endpoint(lambda body, count: Reply(completion("Yes."))) as stub:
        with AnswerStore(path) as store:
            ask(stub.url, Ledger(), store, count=10)
        with sqlite3.connect(path) as rows:
            rows.execute("DROP TABLE uses")
        rows.close()
        with AnswerStore(path) as store:
            ledger = Ledger(Caps(requests=15))
            ask(stub.url, ledger, store)
    assert len(stub.requests) == ledger.spent.requests == 15
