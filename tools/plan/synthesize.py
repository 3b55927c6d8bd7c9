"""The plan of synthesize: requests, tokens, dollars, where a cap would stop it, time, and what so many chats are good for.

Nothing is sent and no key is needed. Requests that the store of paid answers, or data/synthetic/answers.jsonl, can answer are counted as they were;
the others are estimated. "Likely" is four bytes of prompt a token, every answer of full length (synthesize.answer_tokens), no second attempts; "at
most" is a token a byte and every attempt that synthesize.retries allows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from stages.common import characters, paid, size
from stages.common.answer_store import Answer, AnswerStore, key
from stages.common.completions import Request, Unanswered
from stages.common.params import load
from stages.common.spending import FREE, Ledger, Price, Use, likely, most
from stages.synthesize import critic, prompts
from stages.synthesize.draws import Draw, draws
from stages.synthesize.ingredients import gathered
from stages.synthesize.parsing import turns
from stages.synthesize.records import to_records
from stages.synthesize.rounds import Writing, write
from stages.synthesize.teacher import ANSWERS, endpoint, ledger, price, unpriced

FAULT = "x" * 500  # what was found and what was expected, in a prompt that asks again; both are cut there


@dataclass(frozen=True)
class Step:
    """A request that may be sent: its likely use, none where it is only sent after a failure, and its use at most."""

    likely: Use
    most: Use


@dataclass(frozen=True)
class Plan:
    """What is paid for, and what may be asked, in the order in which it would be."""

    paid: Use
    lost: Use
    """Sent, and no answer came: counted at its most, for it may be on the bill."""
    steps: Sequence[Step]

    @property
    def likely(self) -> Use:
        return sum((step.likely for step in self.steps), Use())

    @property
    def most(self) -> Use:
        return sum((step.most for step in self.steps), Use())


def planned(drawn: Sequence[Draw], cards: Mapping[str, dict], params: Mapping, store: AnswerStore, spending: Ledger) -> Plan:
    """What the stage would do: its own steps, with a teacher that has only the store. `spending` counts what was booked for the requests that it knows."""
    writer, judge, name = params["synthesize.teacher"], params["synthesize.critic"], endpoint(params)

    def look(model: str, requests: list[Request]) -> list[Answer | Unanswered]:
        keys = [key(name, request.index, request.body) for request in requests]
        spending.watch(keys, price(params, model) or FREE, store)
        found = store.find(keys)
        return [found.get(one) or Unanswered("not in the store", capped=True) for one in keys]

    def read(number: int, answer: Answer) -> list[dict]:
        return turns(answer, cards[drawn[number].character]["name"], params["synthesize.structured"])

    writings = write(prompts.bodies(drawn, cards, params), params["synthesize.retries"], name, lambda _, requests: look(writer, requests), read)
    answered = [(writer, answer) for writing in writings for _, answer in writing.answers]
    each = [attempts(writing, params, price(params, writer) or FREE) for writing in writings if writing.capped]
    steps = [step for attempt in zip_longest(*each) for step in attempt if step]  # all first attempts come before any second one
    if judge:
        written, _ = to_records(writings, drawn, cards, params)
        _, judged, missing = critic.criticise(written, cards, params, name, lambda _, requests: look(judge, requests))
        answered += [(judge, answer) for _, _, answer in judged]
        unwritten = [drawn[writing.number] for writing in writings if writing.capped]
        waiting = [chat["character"] for chat in written.values()][:missing] + [draw.character for draw in unwritten]
        steps += [criticism(cards[character], params, price(params, judge) or FREE) for character in waiting]
    uses = ((price(params, model) or FREE).use(answer.prompt_tokens, answer.completion_tokens) for model, answer in answered)
    paid_for = sum(uses, Use())
    return Plan(paid_for, spending.spent - paid_for, steps)


def attempts(writing: Writing, params: Mapping, cost: Price) -> list[Step]:
    """The request that is missing, and those that would follow where its answers cannot be used."""
    left = params["synthesize.retries"] - len(writing.answers)
    longest = {**writing.body, "messages": prompts.again(writing.body["messages"], "x" * prompts.QUOTED, FAULT)}
    return [Step(likely(writing.body, cost), most(writing.body, cost)), *[Step(Use(), most(longest, cost))] * left]


def criticism(card: dict, params: Mapping, cost: Price) -> Step:
    """The request to judge a chat that is not written yet: as long as the teacher's answer may be, at four bytes a token."""
    chat = {"conversations": [{"from": "gpt", "value": "x" * 4 * params["synthesize.answer_tokens"]}]}
    body = critic.body(chat, card, params)
    return Step(likely(body, cost), most(body, cost))


def stops_after(plan: Plan, spending: Ledger, use: Callable[[Step], Use]) -> tuple[int, str | None]:
    """(requests that are sent, the cap that then stops the stage, or None) where each uses `use`; each goes out only if its most would fit."""
    spending.spent, sent = plan.paid + plan.lost, 0
    for step in plan.steps:
        if use(step).requests:
            if cap := spending.refuses(step.most):
                return sent, cap
            spending.end(Use(), use(step))
            sent += 1
    return sent, None


def table(plan: Plan, priced: bool) -> list[str]:
    """Rows of figures: what the store has, and what is still to ask."""
    uses = (plan.paid, plan.likely, plan.most)
    rows = [
        ("", "in the store", "to ask, likely", "at most"),
        ("requests", *(f"{use.requests:,}" for use in uses)),
        ("input tokens", *(f"{use.prompt_tokens:,}" for use in uses)),
        ("output tokens", *(f"{use.completion_tokens:,}" for use in uses)),
        ("price", *(f"${use.usd:,.4f}" if priced else "?" for use in uses)),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return ["  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]).rstrip() for row in rows]


def sentences(plan: Plan, params: Mapping, spending: Ledger) -> list[str]:
    """What the figures leave open: prices, caps, time."""
    said = []
    if plan.lost.requests:
        said.append(
            f"{plan.lost.requests:,} more were sent and lost on the way; caps count them at their most, {plan.lost.tokens:,} tokens and ${plan.lost.usd:,.4f}."
        )
    if params["synthesize.base_url"] is None:
        said.append("The teacher is served on this machine: it costs time only.")
    for model in unpriced(params):
        said.append(f"synthesize.prices has no price for {model}: no dollars can be told, and none are counted.")
    if spending.caps == replace(spending.caps, usd=None, requests=None, tokens=None):
        said.append("No cap is set (synthesize.max_usd, max_requests, max_tokens).")
    else:
        ends = [(words, *stops_after(plan, spending, use)) for words, use in (("likely", lambda step: step.likely), ("at the worst", lambda step: step.most))]
        told = [f"{words} {cap} stops it after {sent:,} more requests" if cap else f"{words} it reaches no cap" for words, sent, cap in ends]
        said.append(f"Caps: {'; '.join(told)}.")
    return [*said, duration(plan, params)]


def duration(plan: Plan, params: Mapping) -> str:
    """The time that the limits a minute make it take at least."""
    limits = {"requests": params["synthesize.requests_per_minute"], "tokens": params["synthesize.tokens_per_minute"]}
    minutes = [getattr(plan.likely, what) / limit for what, limit in limits.items() if limit]
    if not minutes:
        return (
            "No rate limits are given (synthesize.requests_per_minute, tokens_per_minute): it takes as long as the endpoint does, "
            f"with {params['synthesize.concurrency']} requests at once."
        )
    told = " and ".join(f"{limit:,} {what}" for what, limit in limits.items() if limit)
    return f"At {told} a minute it takes {max(minutes):,.1f} min, likely; the endpoint may be slower."


def synthesize() -> None:
    """Print the plan of synthesize."""
    params = load("synthesize")
    cards, spending = characters.read_all(), ledger(params)
    product = gathered(params, cards)
    drawn = draws(params["synthesize.chats"], params["synthesize.seed"], product)
    with paid.store(ANSWERS) as store:
        plan = planned(drawn, cards, params, store, spending)
        warning = paid.elsewhere(not store.is_empty(), ANSWERS, "synthesize") if params["synthesize.base_url"] else None
    critics = f", judged by {params['synthesize.critic']}" if params["synthesize.critic"] else ""
    print(f"{params['synthesize.teacher']} at {params['synthesize.base_url'] or 'this machine'}{critics}\n")
    print("\n".join(table(plan, priced=not unpriced(params))), end="\n\n")
    print("Likely: four bytes of prompt a token, answers of full length, each asked once. At most: a token a byte, and every retry.")
    print("\n".join([*([f"{warning[0].upper()}{warning[1:]}."] if warning else []), *sentences(plan, params, spending)]))
    print(size.sentence(sum(map(len, product.examples.values())), len(drawn)))
