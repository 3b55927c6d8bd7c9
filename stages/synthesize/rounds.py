"""Asks for one chat a draw, and asks again for what came back unusable, with the reason in the prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stages.common.answer_store import Answer, key
from stages.common.completions import Request, Unanswered
from stages.synthesize import prompts
from stages.synthesize.parsing import NotAChat

APART = 1_000_000  # between the numbers, and the seeds, of a request and of the next attempt at it: more than there are requests
UNANSWERED = "unanswered"  # the rule of an attempt that got no answer at all


@dataclass
class Writing:
    """What became of one request: its attempts, and at last the turns, or that it has none."""

    number: int
    body: dict
    """The last request that was sent, or would have been."""
    answers: list[tuple[str, Answer]] = field(default_factory=list)
    """(key in the store, answer) of each attempt."""
    faults: list[NotAChat] = field(default_factory=list)
    """Why each attempt but a good last one could not be used."""
    attempt: int = 0
    turns: list[dict] | None = None
    capped: bool = False
    """Whether a cap kept the last attempt from being sent."""

    @property
    def request(self) -> Request:
        """What is asked next. An attempt has a number of its own: what is asked a third time may be the very same as the second."""
        return Request(self.number + self.attempt * APART, self.body)

    @property
    def key(self) -> str:
        """The key of the last answer."""
        return self.answers[-1][0]

    @property
    def unanswered(self) -> bool:
        """Whether the last attempt was sent and got no answer."""
        return bool(self.faults) and self.faults[-1].rule == UNANSWERED


def write(
    bodies: Sequence[dict],
    retries: int,
    endpoint: str,
    ask: Callable[[str, list[Request]], Sequence[Answer | Unanswered]],
    read: Callable[[int, Answer], list[dict]],
) -> list[Writing]:
    """One Writing for each body, in their order. `ask` (label, requests) gives the answers; `read` (number, answer) the turns, or raises NotAChat.

    An answer that cannot be used is asked for again up to `retries` times; a request without an answer is not.
    """
    writings = [Writing(number, body) for number, body in enumerate(bodies)]
    left = writings
    for attempt in range(retries + 1):
        if not left:
            break
        outcomes = ask(f"again ({attempt})" if attempt else "synthesize", [writing.request for writing in left])
        for writing, outcome in zip(left, outcomes, strict=True):
            take(writing, outcome, endpoint, read)
        left = [writing for writing in left if attempt < retries and prepare(writing, bodies[writing.number])]
    return writings


def take(writing: Writing, outcome: Answer | Unanswered, endpoint: str, read: Callable[[int, Answer], list[dict]]) -> None:
    """Note what came of the last request."""
    if isinstance(outcome, Unanswered):
        writing.capped = outcome.capped
        if not outcome.capped:
            writing.faults.append(NotAChat(UNANSWERED, outcome.why, "an answer"))
        return
    writing.answers.append((key(endpoint, writing.request.index, writing.body), outcome))
    try:
        writing.turns = read(writing.number, outcome)
    except NotAChat as fault:
        writing.faults.append(fault)


def prepare(writing: Writing, first: dict) -> bool:
    """Make the next request, from the first one and what was wrong with the last answer. False where there is none to make."""
    if writing.turns is not None or writing.capped or writing.unanswered:
        return False
    writing.attempt += 1
    _, answer = writing.answers[-1]
    writing.body = {**first, "messages": prompts.again(first["messages"], answer.text, str(writing.faults[-1]))}
    if "seed" in first:
        writing.body["seed"] = first["seed"] + writing.attempt * APART
    return True
