"""Asks the judge, out of the store of paid answers where it can, says before it spends what it may cost, and asks again for what cannot be read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stages.common import completions, endpoints, paid
from stages.common.answer_store import Answer, key
from stages.common.completions import Request, Terms, Unanswered
from stages.common.errors import UserError, printable
from stages.common.spending import FREE, Caps, Price, Use, likely, most
from stages.evaluate.judging import Judgment, Question, again, messages, read

ANSWERS = Path("data/judged/answers.jsonl")
SHOWN = 5  # faults that are told in full


@dataclass
class _Asking:
    """A question on its way to a judgment."""

    number: int
    question: Question
    body: dict
    attempt: int = 0
    answers: list[tuple[int, str, Answer]] = field(default_factory=list)
    """(number of the question, key in the store, answer) of each attempt."""
    judgment: Judgment | None = None

    @property
    def request(self) -> Request:
        """What is asked next. The number is the attempt's: equal answers of two arms are one request, and what comes in later asks for nothing again."""
        return Request(self.attempt, self.body)

    def take(self, outcome: Answer | Unanswered, url: str, retries: int) -> None:
        """Note what came of the last request, and make the next one where there is to be one."""
        if isinstance(outcome, Unanswered):
            self.judgment = Judgment(self.question, None, outcome.why, outcome.capped)
            return
        self.answers.append((self.number, key(url, self.attempt, self.body), outcome))
        try:
            self.judgment = Judgment(self.question, read(outcome.text, outcome.finish, self.question.schema))
        except ValueError as fault:
            if self.attempt == retries:
                self.judgment = Judgment(self.question, None, str(fault))
            else:
                told = self.body["messages"][:2]  # the question itself, without earlier attempts
                self.attempt, self.body = self.attempt + 1, {**self.body, "messages": again(told, outcome.text, str(fault))}


@dataclass(frozen=True)
class Judged:
    """All judgments in the order of their questions, and what their answers took, in however many runs."""

    judgments: Sequence[Judgment]
    answers: Sequence[tuple[int, str, Answer]]
    used: Use
    priced: bool

    @property
    def costs(self) -> dict[str, float]:
        """The figures of metrics/evaluate.json; no dollars where the price is not known."""
        found = {"judge.answers": self.used.requests, "judge.prompt_tokens": self.used.prompt_tokens, "judge.completion_tokens": self.used.completion_tokens}
        return found | ({"judge.usd": self.used.usd} if self.priced else {})


def judge(questions: Sequence[Question], cards: Mapping[str, dict], params: Mapping) -> Judged:
    """Ask evaluate.judge all questions; without one nothing is looked at.

    Raises UserError where the parameters name no endpoint that can be asked, and with the endpoint's words where it fails; what was answered stays in the store.
    """
    if not questions:
        return Judged([], [], Use(), True)
    model, url = params["evaluate.judge.model"], params["evaluate.judge.base_url"]
    if not url:
        raise UserError(f"params.yaml: evaluate.judge.model is {model}, but evaluate.judge.base_url names no endpoint; expected https://HOST/v1 or the like")
    endpoints.check_address(url, "evaluate.judge.base_url")
    price = endpoints.price_in(params["synthesize.prices"], model)
    caps = Caps(*(params[f"evaluate.judge.{name}"] for name in ("max_usd", "max_requests", "max_tokens")))
    spending = endpoints.ledger(caps, [] if price else [model], "evaluate.judge")
    terms = Terms(*(params[f"evaluate.judge.{name}"] for name in ("concurrency", "requests_per_minute", "tokens_per_minute", "timeout")))
    url, retries = url.rstrip("/"), params["evaluate.judge.retries"]
    asking = [_Asking(number, one, _body(one, cards[one.conversation[0].character], params)) for number, one in enumerate(questions)]

    def connect() -> tuple[str, str]:
        return url, endpoints.key_in(params["evaluate.judge.api_key_env"], url, "evaluate.judge.base_url")

    with paid.store(ANSWERS) as store:
        bodies = {key(url, one.attempt, one.body): one.body for one in asking}
        there = store.find(bodies)
        if warning := paid.elsewhere(bool(there), ANSWERS, "evaluate"):
            raise UserError(warning)
        print(_cost(bodies, set(there), model, url, price, retries), flush=True)
        left = asking
        while left:
            label = f"judge again ({left[0].attempt})" if left[0].attempt else "judge"
            outcomes = completions.ask(connect, url, [one.request for one in left], terms, label, store, spending, price or FREE)
            for one, outcome in zip(left, outcomes, strict=True):
                one.take(outcome, url, retries)
            left = [one for one in left if one.judgment is None]
    judgments = [one.judgment for one in asking]
    for sentence in _missing(judgments, caps):
        print(printable(sentence), flush=True)
    answers = [answer for one in asking for answer in one.answers]
    paid_for = {name: answer for _, name, answer in answers}  # equal requests are paid for once
    used = sum(((price or FREE).use(answer.prompt_tokens, answer.completion_tokens) for answer in paid_for.values()), Use())
    return Judged(judgments, answers, used, price is not None)


def keep(answers: Sequence[tuple[int, str, Answer]]) -> None:
    """Write the raw answers, each once, where another machine finds them."""
    once = {name: (number, name, answer) for number, name, answer in reversed(answers)}
    paid.keep(ANSWERS, sorted(once.values(), key=lambda row: row[0]))


def _body(question: Question, card: dict, params: Mapping) -> dict:
    """The first request for a question, in the API's own fields."""
    return endpoints.request_body(
        params["evaluate.judge.request"],
        "evaluate.judge.request",
        model=params["evaluate.judge.model"],
        messages=messages(question, card),
        temperature=0.0,
        max_tokens=params["evaluate.judge.answer_tokens"],
        response_format=endpoints.response_format(question.schema) if params["evaluate.judge.structured"] else None,
    )


def _cost(bodies: Mapping[str, dict], there: Collection[str], model: str, url: str, price: Price | None, retries: int) -> str:
    """What the first requests will probably take and what all can take at most, in one sentence; nothing has been sent yet."""
    missing = [body for name, body in bodies.items() if name not in there]
    have = f"{len(there)} of {len(bodies)} questions are answered in the store"
    if not missing:
        return f"judge: {model}: {have}"
    probably, upper = (sum((use(body, price or FREE) for body in missing), Use()) for use in (likely, most))
    dollars = (
        f", about ${probably.usd:.2f}, at most ${upper.usd:.2f}" if price else f"; synthesize.prices has no price for {model}: its dollars are not counted"
    )
    again = f" (and up to {retries} more request{'s' if retries > 1 else ''} for each reply that cannot be read)" if retries else ""
    return f"judge: {have}; {len(missing)} to ask of {model} at {url}: about {probably.tokens:,} tokens, at most {upper.tokens:,}{dollars}{again}"


def _missing(judgments: Sequence[Judgment], caps: Caps) -> list[str]:
    """What the judge gave no judgment on, and why, in sentences."""
    said, count = [], len(judgments)
    if capped := sum(one.capped for one in judgments):
        told = ", ".join(f"max_{name} {cap:g}" for name, cap in vars(caps).items() if cap is not None)
        said.append(f"{capped} of {count} questions were not put to the judge: asking them could pass a cap ({told}). A higher cap asks for these alone.")
    if failed := [one for one in judgments if one.value is None and not one.capped]:
        said.append(f"{len(failed)} of {count} questions have no judgment; they are left out, and counted as judge.unread:")
        said += [f"  {one.question.conversation[0].id}, {' and '.join(one.question.arms)}: {one.fault[:300]}" for one in failed[:SHOWN]]
    return said
