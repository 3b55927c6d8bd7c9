"""The servers of this run as the arms are asked through them, and what that took: `python -m tools.plan answer` foretells the next run from it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from stages.common import completions, environments
from stages.common.answer_store import Answer
from stages.common.files import write_json


@dataclass(frozen=True)
class Round:
    """Requests that were sent to one model together."""

    model: str
    requests: int
    prompt_tokens: int
    answer_tokens: int
    longest: int
    """Tokens of the longest answer."""
    seconds: float


@dataclass
class Served:
    """Servers on this machine by the name of the model that each knows; one may know several."""

    urls: Mapping[str, str]
    concurrency: int
    start: float = 0.0
    """Seconds until all were ready."""
    rounds: list[Round] = field(default_factory=list)

    def ask(self, model: str, bodies: Sequence[dict], label: str) -> list[Answer]:
        """The answers of a model to requests without their "model", in order; all are there when it returns. Raises UserError where one is missing."""
        if not bodies:
            return []
        began = time.monotonic()
        requests = [completions.Request(number, {"model": model, **body}) for number, body in enumerate(bodies)]
        answers = completions.all_answered(completions.ask(lambda: (self.urls[model], "none"), model, requests, completions.Terms(self.concurrency), label))
        used = [sum(getattr(answer, kind) for answer in answers) for kind in ("prompt_tokens", "completion_tokens")]
        longest = max(answer.completion_tokens for answer in answers)
        self.rounds.append(Round(model, len(answers), *used, longest, time.monotonic() - began))
        return answers


@dataclass(frozen=True)
class Scored:
    """The losses: tokens of the character's, each arm's counted, and seconds."""

    tokens: int
    seconds: float


def measured() -> Path:
    """Where this machine keeps what the last run took."""
    return environments.state("rates") / "answer.json"


def keep(base: str, served: Served, scored: Scored) -> None:
    """Write down what a run with the base model of this reference took."""
    here = {"base": base, "cores": len(os.sched_getaffinity(0)), "gpu": environments.has_gpu(), "concurrency": served.concurrency}
    write_json(measured(), here | {"start": served.start, "rounds": [asdict(one) for one in served.rounds], "scored": asdict(scored)})
