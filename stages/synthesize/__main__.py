"""Asks a teacher for new chats, each from a draw of its own, and pays for no answer twice; what is no chat becomes a reject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from stages.common import characters, children, paid, size
from stages.common.answer_store import Answer
from stages.common.errors import UserError, run
from stages.common.files import write_json, write_jsonl
from stages.common.params import load
from stages.common.spending import FREE, Use
from stages.synthesize.critic import criticise
from stages.synthesize.draws import draws
from stages.synthesize.ingredients import gathered
from stages.synthesize.parsing import turns
from stages.synthesize.prompts import bodies
from stages.synthesize.records import to_records
from stages.synthesize.rounds import Writing, write
from stages.synthesize.teacher import ANSWERS, endpoint, ledger, price, teacher, unpriced
from stages.synthesize.variety import coverage, distinct


def main() -> None:
    children.end_with_caller()
    params = load("synthesize")
    cards = characters.read_all()
    product = gathered(params, cards)
    drawn = draws(params["synthesize.chats"], params["synthesize.seed"], product)
    print(size.sentence(sum(map(len, product.examples.values())), len(drawn)), flush=True)
    spending = ledger(params)
    for model in unpriced(params):
        print(f"synthesize.prices has no price for {model}: its dollars are not counted", flush=True)

    def read(number: int, answer: Answer) -> list[dict]:
        return turns(answer, cards[drawn[number].character]["name"], params["synthesize.structured"])

    writer, judge = params["synthesize.teacher"], params["synthesize.critic"]
    with paid.store(ANSWERS) as answers, teacher(params, answers, spending) as ask:
        if params["synthesize.base_url"] and (warning := paid.elsewhere(not answers.is_empty(), ANSWERS, "synthesize")):
            raise UserError(warning)
        writings = write(bodies(drawn, cards, params), params["synthesize.retries"], endpoint(params), partial(ask, writer), read)
        written, rejects = to_records(writings, drawn, cards, params)
        critiques, judged, unjudged = criticise(written, cards, params, endpoint(params), partial(ask, judge)) if judge else ({}, [], 0)
    tell_what_is_missing(writings, unjudged, params)
    wrote = [(writing.number, *answer) for writing in writings for answer in writing.answers]
    chats = [{**chat, "critique": critiques[number]} if number in critiques else chat for number, chat in written.items()]
    paid.keep(ANSWERS, wrote + judged)
    write_jsonl("data/synthetic/chats.jsonl", chats)
    write_jsonl("data/synthetic/rejects.jsonl", rejects)
    variety = coverage([drawn[number] for number in written], product) | distinct(chats)
    write_json("metrics/synthesize.json", counts(writings, chats) | costs([(writer, wrote), (judge, judged)] if judge else [(writer, wrote)], params) | variety)


def tell_what_is_missing(writings: Sequence[Writing], unjudged: int, params: Mapping) -> None:
    """Say what the run ends without, and what asks for it."""
    capped, failed = sum(writing.capped for writing in writings), sum(writing.unanswered for writing in writings)
    if capped:
        names = ("max_usd", "max_requests", "max_tokens")
        caps = ", ".join(f"{name} {params[f'synthesize.{name}']:g}" for name in names if params[f"synthesize.{name}"] is not None)
        print(f"{capped} of {len(writings)} chats are missing: asking for them could pass a cap ({caps}). A higher cap asks for these alone.", flush=True)
    if failed:
        print(f"{failed} of {len(writings)} requests got no answer. `dvc repro -s -f synthesize` asks for these alone.", flush=True)
    if unjudged:
        print(f"{unjudged} chats have no critique, for the same reasons.", flush=True)


def counts(writings: Sequence[Writing], chats: Sequence[dict]) -> dict[str, int]:
    """What became of the requests: asked = chats + rejected + not_asked."""
    return {
        "asked": len(writings),
        "chats": len(chats),
        "rejected": sum(not writing.capped for writing in writings) - len(chats),
        "not_asked": sum(writing.capped for writing in writings),
        "retried": sum(len(writing.answers) > 1 for writing in writings),
        "criticised": sum("critique" in chat for chat in chats),
    }


def costs(answers: Sequence[tuple[str, Sequence[tuple[int, str, Answer]]]], params: Mapping) -> dict[str, float]:
    """Tokens and dollars of (model, its answers), however many runs it took to get them; no dollars where a price is not known."""
    used = Use()
    for model, given in answers:
        tokens = [sum(getattr(answer, kind) for _, _, answer in given) for kind in ("prompt_tokens", "completion_tokens")]
        used += replace((price(params, model) or FREE).use(*tokens), requests=len(given))
    found: dict[str, float] = {"answers": used.requests, "prompt_tokens": used.prompt_tokens, "completion_tokens": used.completion_tokens}
    return found if unpriced(params) else found | {"usd": round(used.usd, 6)}


if __name__ == "__main__":
    run(main)
