"""Asks for one chat a draw, and asks again for what came back unusable, with the reason in the prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stages.common.answer_store import Answer, key
from stages.common.completions import Request, Unanswered
from stages.synthesize import prompts
from stages.synthesize.parsing import NotAChat


@dataclass
class Writing:
    """What became of one request: its attempts, and at last the turns, or that it has none."""

    number: int
    body: dict
    """The last request that was sent."""
    answers: list[tuple[str, Answer]] = field(default_factory=list)
    """(key in the store, answer) of each attempt."""
    faults: list[NotAChat] = field(default_factory=list)
    """Why each attempt but a good last one could not be used."""
    turns: list[dict] | None = None
    capped: bool = False

    @property
    def key(self) -> str:
        """The key of the last answer."""
        return self.answers[-1][0]


def write(
    bodies: Sequence[dict],
    retries: int,
    endpoint: str,
    ask: Callable[[str, list[Request]], list[Answer | Unanswered]],
    read: Callable[[int, Answer], list[dict]],
) -> list[Writing]:
    """One Writing for each body, in their order. `ask` (label, requests) gives the answers; `read` (number, answer) the turns, or raises NotAChat.

    An answer that cannot be used is asked for again up to `retries` times; a request without an answer is not.
    """
    all_of_them = [Writing(number, body) for number, body in enumerate(bodies)]
    open_ones = all_of_them
    for attempt in range(retries + 1):
        if not open_ones:
            break
        label = f"again ({attempt})" if attempt else "synthesize"
        outcomes = ask(label, [Request(writing.number, writing.body) for writing in open_ones])
        failed = []
        for writing, outcome in zip(open_ones, outcomes, strict=True):
            if isinstance(outcome, Unanswered):
                writing.capped = outcome.capped
                if not outcome.capped:
                    writing.faults.append(NotAChat("unanswered", outcome.why, "an answer"))
                continue
            writing.answers.append((key(endpoint, writing.number, writing.body), outcome))
            try:
                writing.turns = read(writing.number, outcome)
            except NotAChat as fault:
                writing.faults.append(fault)
                if attempt < retries:
                    writing.body = {**writing.body, "messages": prompts.again(bodies[writing.number]["messages"], outcome.text, str(fault))}
                    failed.append(writing)
        open_ones = failed
    return all_of_them
