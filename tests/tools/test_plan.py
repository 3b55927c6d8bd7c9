"""tools/plan: the figures of what would be asked, against what the stage then really asks, without a request and without a key."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from stages.common.files import read_json
from stages.common.spending import Caps, Ledger, Use
from tests.common.stub_endpoint import Endpoint, Reply, completion
from tests.synthesize.holmes import METRICS, change, good, one_sentence, project, run, synthesize
from tools.plan.synthesize import Plan, Step, stops_after

PRICES = {"stub-teacher": {"input": 10.0, "output": 100.0}, "stub-critic": {"input": 1.0, "output": 1.0}}


def well(body: dict, count: int) -> Reply:
    return Reply(completion(good(body["seed"] - 7) if "seed" in body else "{}", "stop", 100, 50))


def plan(folder: Path) -> subprocess.CompletedProcess[str]:
    return run(folder, "-m", "tools.plan", "synthesize")


def figures(folder: Path) -> tuple[dict[str, list[str]], str]:
    """Row name -> [in the store, likely, at most]; and the sentences below."""
    done = plan(folder)
    assert done.returncode == 0, done.stderr
    rows = {row[0]: row[1:] for line in done.stdout.splitlines() if len(row := re.split(r"  +", line.strip())) == 4}
    return rows, done.stdout


def test_what_is_planned_is_what_is_asked_and_what_was_asked_is_in_the_store(curated: Path, tmp_path: Path) -> None:
    with Endpoint(well) as stub:
        folder = project(curated, tmp_path, chats=6, base_url=stub.url, prices=PRICES)
        rows, said = figures(folder)
        assert stub.requests == []
        assert rows["requests"] == ["0", "6", "6"]
        assert rows["output tokens"] == ["0", "1,800", "1,800"]  # 300 each
        inputs = [int(cell.replace(",", "")) for cell in rows["input tokens"]]
        assert inputs[0] == 0 and 6 * 300 < inputs[1] < inputs[2] / 3
        assert rows["price"] == ["$0.0000", *(f"${(10 * tokens + 100 * 1800) / 1e6:.4f}" for tokens in inputs[1:])]
        assert "stub-teacher at http://127.0.0.1" in said and "No cap is set" in said and "No rate limits are given" in said
        assert "6 chats asked for beside" in said and "1,000 to 3,000" in said
        assert synthesize(folder).returncode == 0
        assert len(stub.requests) == 6
    rows, _ = figures(folder)
    assert (rows["requests"], rows["input tokens"], rows["output tokens"]) == (["6", "0", "0"], ["600", "0", "0"], ["300", "0", "0"])
    assert rows["price"][0] == f"${read_json(folder / METRICS)['usd']:.4f}" == "$0.0360"


def test_retries_count_at_most_and_a_critic_counts_as_likely(curated: Path, tmp_path: Path) -> None:
    folder = project(curated, tmp_path, chats=4, base_url="http://127.0.0.1:9/v1", retries=2, critic="stub-critic", prices=PRICES)
    rows, said = figures(folder)
    assert rows["requests"] == ["0", "8", "16"]
    assert rows["output tokens"] == ["0", f"{4 * 300 + 4 * 600:,}", f"{3 * 4 * 300 + 4 * 600:,}"]
    assert "judged by stub-critic" in said


def test_an_answer_in_the_store_that_cannot_be_used_leaves_its_retries_to_ask(curated: Path, tmp_path: Path) -> None:
    with Endpoint(lambda body, _: Reply(completion("No." if body["seed"] == 8 else good(body["seed"])))) as stub:
        folder = project(curated, tmp_path, chats=3, base_url=stub.url, prices=PRICES)
        assert synthesize(folder).returncode == 0
        change(folder, chats=4, retries=2)
    assert figures(folder)[0]["requests"] == ["3", "2", "5"]  # number 1 again, likely once, at most twice; number 3, at most three times


def test_the_caps_say_where_they_would_stop_it(curated: Path, tmp_path: Path) -> None:
    url = "http://127.0.0.1:9/v1"
    _, said = figures(project(curated, tmp_path / "few", chats=6, base_url=url, max_requests=4))
    assert "Caps: likely max_requests 4 stops it after 4 more requests; at the worst max_requests 4 stops it after 4 more requests." in said
    _, said = figures(project(curated, tmp_path / "many", chats=6, base_url=url, max_requests=6))
    assert "Caps: likely it reaches no cap; at the worst it reaches no cap." in said


def test_a_cap_stops_before_the_request_that_could_pass_it() -> None:
    steps = [Step(Use(1, 10, 10), Use(1, 40, 20)) for _ in range(10)]
    plan, caps = Plan(Use(2, 30, 30), Use(), steps), Caps(tokens=200)
    assert stops_after(plan, Ledger(caps), lambda step: step.likely) == (5, "max_tokens 200")  # 60 spent, five times 20; 160 + 60 would pass
    assert stops_after(plan, Ledger(caps), lambda step: step.most) == (2, "max_tokens 200")
    assert stops_after(plan, Ledger(), lambda step: step.most) == (10, None)


def test_a_model_whose_price_is_unknown_is_named_and_has_no_dollars(curated: Path, tmp_path: Path) -> None:
    rows, said = figures(project(curated, tmp_path, chats=2, base_url="http://127.0.0.1:9/v1"))
    assert rows["price"] == ["?", "?", "?"]
    assert "synthesize.prices has no price for stub-teacher" in said


def test_rate_limits_give_the_time_of_the_narrower_one(curated: Path, tmp_path: Path) -> None:
    limits = {"requests_per_minute": 2, "tokens_per_minute": 1_000_000}
    _, said = figures(project(curated, tmp_path, chats=6, base_url="http://127.0.0.1:9/v1", **limits))
    assert "At 2 requests and 1,000,000 tokens a minute it takes 3.0 min, likely" in said


def test_the_teacher_that_is_served_here_costs_nothing(curated: Path, tmp_path: Path) -> None:
    rows, said = figures(project(curated, tmp_path, chats=2, base_url=None))
    assert rows["price"] == ["$0.0000"] * 3 and "The teacher is served on this machine: it costs time only." in said


@pytest.mark.parametrize("arguments", [(), ("publish",)])
def test_a_stage_without_a_plan_is_refused_with_the_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run(tmp_path, "-m", "tools.plan", *arguments)
    assert done.returncode == 2 and "usage: python -m tools.plan" in done.stderr


def test_before_curate_has_run_one_sentence_says_what_is_missing(curated: Path, tmp_path: Path) -> None:
    folder = project(curated, tmp_path, chats=2, base_url="http://127.0.0.1:9/v1")
    (folder / "data/curated/chats.jsonl").unlink()
    assert "data/curated/chats.jsonl: no such file" in one_sentence(plan(folder))
