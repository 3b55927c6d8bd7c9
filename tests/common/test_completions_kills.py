"""Nobody pays twice: not after kill -9, not after Ctrl-C, not beside another run; and nothing is lost or piles up in twenty thousand requests."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.common.quick_endpoint import QuickEndpoint

ROOT = Path(__file__).resolve().parents[2]

# Asks for COUNT answers, CONCURRENCY at once, and writes them to a file; says when it begins to ask, and its memory as it goes on.
CLIENT = """
import json, sys, threading, time
from pathlib import Path
from stages.common import completions
from stages.common.answer_store import AnswerStore
from stages.common.errors import run
url, folder, count, concurrency, out = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
requests = [completions.Request(n, {"model": "stub", "messages": [{"role": "user", "content": f"Question {n}"}], "max_tokens": 9}) for n in range(count)]

def connect():
    print("asking", flush=True)
    return url, "sk-test"

def main():
    with AnswerStore(folder / "answers.sqlite") as store:
        answers = completions.ask(connect, "stub", requests, completions.Terms(concurrency), "test", store)
        Path(out).write_text(json.dumps([answer.text for answer in answers]))

run(main)
"""


def client(endpoint: QuickEndpoint, folder: Path, count: int, concurrency: int, out: Path) -> subprocess.Popen:
    command = [sys.executable, "-c", CLIENT, endpoint.url, str(folder), str(count), str(concurrency), str(out)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(what: str, process: subprocess.Popen) -> bool:
    """Wait until a process says something; False where it ends without."""
    return process.stdout.readline().strip() == what


def wait_until_asked(endpoint: QuickEndpoint, process: subprocess.Popen, requests: int) -> None:
    """Wait until the server has seen so many requests in all, with the process still asking."""
    while endpoint.seen().requests < requests:
        assert process.poll() is None, f"it ended before {requests} requests were asked"
        time.sleep(0.002)


def whole_run(endpoint: QuickEndpoint, folder: Path, count: int, concurrency: int) -> list[str]:
    """The answers of a run that nobody disturbs."""
    process = client(endpoint, folder, count, concurrency, folder / "out.json")
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return json.loads((folder / "out.json").read_text())


def test_of_two_runs_at_once_with_one_store_each_request_is_asked_by_one(tmp_path: Path) -> None:
    with QuickEndpoint(0.05) as endpoint:
        outs = [tmp_path / "one.json", tmp_path / "two.json"]
        runs = [client(endpoint, tmp_path, 200, 8, out) for out in outs]
        assert [until("asking", run) for run in runs] == [True, True]
        for run in runs:
            assert run.wait(timeout=60) == 0
            run.communicate()
        seen = endpoint.seen()
        assert (seen.requests, seen.different) == (200, 200)
        assert 8 < seen.most_at_once <= 16  # both did ask
        one, two = (json.loads(out.read_text()) for out in outs)
        assert one == two and len(set(one)) == 200


def test_ctrl_c_ends_at_once_in_a_word_and_the_next_run_asks_for_the_rest(tmp_path: Path) -> None:
    with QuickEndpoint(0.1) as endpoint:
        run = client(endpoint, tmp_path, 100, 8, tmp_path / "out.json")
        assert until("asking", run)
        wait_until_asked(endpoint, run, 30)
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=5)
        assert run.returncode == 130
        assert "Traceback" not in said and said.rstrip().endswith("interrupted")
        assert len(set(whole_run(endpoint, tmp_path, 100, 8))) == 100
        assert 100 <= endpoint.seen().requests <= 108


@pytest.mark.slow
def test_twenty_kills_lose_no_more_than_was_in_flight_and_change_no_answer(tmp_path: Path) -> None:
    count, concurrency, kills = 1000, 8, 20  # 20 kills after up to 24 requests each leave some to ask, however late a busy machine kills
    draw = random.Random(7)
    undisturbed, folder = tmp_path / "undisturbed", tmp_path / "killed"
    undisturbed.mkdir()
    folder.mkdir()
    with QuickEndpoint(0.04) as endpoint:
        expected = whole_run(endpoint, undisturbed, count, concurrency)
    with QuickEndpoint(0.04) as endpoint:
        for _ in range(kills):
            run = client(endpoint, folder, count, concurrency, folder / "out.json")
            # By what was asked, not by the clock: on a busy machine no answer may come in 80 ms. Past the first 8 each request follows an answer to another.
            enough = endpoint.seen().requests + draw.randint(1, 3 * concurrency)
            assert until("asking", run)
            wait_until_asked(endpoint, run, enough)
            time.sleep(draw.uniform(0.0, 0.04))
            run.kill()
            run.communicate()
        before = endpoint.seen()
        assert before.requests > before.different  # some kills did cost an answer
        assert whole_run(endpoint, folder, count, concurrency) == expected
        seen = endpoint.seen()
        assert seen.different == count
        assert count < seen.requests <= count + kills * concurrency
        assert seen.requests - before.requests < count - concurrency * 5  # what was answered before a kill was not asked again
    assert len(set(expected)) == count


@pytest.mark.slow
def test_twenty_thousand_requests_at_256_at_once_lose_no_answer_and_pile_up_nothing(tmp_path: Path) -> None:
    count = 20_000
    with QuickEndpoint(0.75) as endpoint:  # the client fills 256 only where answers take longer than it takes to send as many
        run = client(endpoint, tmp_path, count, 256, tmp_path / "out.json")
        assert until("asking", run)
        memory: dict[int, float] = {}  # MiB, by how many requests the server had seen
        while run.poll() is None:
            memory[endpoint.seen().requests] = resident(run.pid)
            time.sleep(0.2)
        assert run.returncode == 0, run.communicate()[1]
        seen = endpoint.seen()
    assert (seen.requests, seen.different) == (count, count)
    assert 200 < seen.most_at_once <= 256
    assert len(set(json.loads((tmp_path / "out.json").read_text()))) == count
    steady = [mib for requests, mib in memory.items() if 5000 <= requests < count]
    assert len(steady) >= 10
    assert max(steady) - steady[0] < 40


def resident(pid: int) -> float:
    """MiB that a process has in memory; 0 where it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)
