"""Stub judges, and the stage with one at evaluate.judge.base_url."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ruamel.yaml import YAML

from stages.common.critique import ASPECTS
from tests.common.stub_endpoint import Reply, completion
from tests.evaluate.sample import ROOT

KEY, VARIABLE = "sk-judge-9ever-wr1tten", "DRAMATIS_TEST_JUDGE_KEY"
ANSWERS, JUDGMENTS, METRICS, PAGE = "data/judged/answers.jsonl", "data/judged/judgments.jsonl", "metrics/evaluate.json", "reports/evaluation.html"
IMPATIENT = """
import runpy
from stages.common import completions
wait = completions._wait
completions._wait = lambda event, seconds: wait(event, seconds and seconds / 1000)
runpy.run_module("stages.evaluate", run_name="__main__", alter_sys=True)
"""


def dialogues(body: dict) -> list[str]:
    """The one dialogue that a request shows, or the two."""
    told = body["messages"][1]["content"]
    return told.removeprefix("The first dialogue:\n\n").split("\n\nThe second dialogue:\n\n")


def scores(score: int, reason: str = "So it seems.") -> str:
    return json.dumps({aspect: {"reason": reason, "score": score} for aspect in ASPECTS})


def choice(better: str, reason: str = "So it seems.") -> str:
    return json.dumps({aspect: {"reason": reason, "better": better} for aspect in (*ASPECTS, "overall")})


def judge(score: Callable[[str], int], better: Callable[[str, str], str], prompt_tokens: int = 100) -> Callable[[dict, int], Reply]:
    """A judge that scores a dialogue and says which of two is better."""

    def answer(body: dict, count: int = 1) -> Reply:
        shown = dialogues(body)
        return Reply(completion(scores(score(*shown)) if len(shown) == 1 else choice(better(*shown)), "stop", prompt_tokens, 50))

    return answer


def liking(words: str) -> Callable[[str, str], str]:
    """Prefers the dialogue with these words in it, whichever comes first."""

    def better(first: str, second: str) -> str:
        return "tie" if (words in first) == (words in second) else "first" if words in first else "second"

    return better


FAIR = judge(lambda shown: 5 if "mud" in shown else 3 if "boots" in shown else 1, liking("mud"))


def judged_by(folder: Path, url: str | None, model: str | None = "stub-judge", prices: dict | None = None, **changed: object) -> Path:
    """Change evaluate.judge's parameters of a working folder."""
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    params["evaluate"]["bootstrap"] = 200
    params["evaluate"]["judge"] |= {"model": model, "base_url": url, "api_key_env": VARIABLE, "concurrency": 4, **changed}
    params["synthesize"]["prices"] = prices or {}
    yaml.dump(params, folder / "params.yaml")
    return folder


def run(folder: Path, key: str | None = KEY) -> subprocess.CompletedProcess[str]:
    """The stage as it is, with waits a thousand times as short."""
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy") and name != VARIABLE}
    environment = {**inherited, "PYTHONPATH": str(ROOT), "DRAMATIS_STATE": str(folder / "state"), **({VARIABLE: key} if key else {})}
    return subprocess.run([sys.executable, "-c", IMPATIENT], cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def said_by(folder: Path, key: str | None = KEY) -> str:
    """What the stage says that ends well."""
    done = run(folder, key)
    assert done.returncode == 0, done.stderr
    return done.stdout


def one_sentence(folder: Path, key: str | None = KEY) -> str:
    """What the stage says when it fails: one line beside the progress bar's, without the key; nothing is written."""
    done = run(folder, key)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr and KEY not in done.stderr + done.stdout
    (said,) = [line for line in done.stderr.splitlines() if line and "answer/s" not in line]
    assert said.startswith("error: ")
    assert not any((folder / path).exists() for path in (ANSWERS, JUDGMENTS, METRICS, PAGE))
    return said
