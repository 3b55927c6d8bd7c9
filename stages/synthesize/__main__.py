"""Asks a teacher for new chats, each from a draw of its own, and pays for no answer twice; what is no chat becomes a reject."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from stages.common import characters, chats, children, completions, environments
from stages.common.answer_store import Answer, AnswerStore
from stages.common.chats import chat_id
from stages.common.completions import Request, Unanswered
from stages.common.errors import UserError, run
from stages.common.files import read_jsonl, write_json, write_jsonl
from stages.common.holdout import split_of
from stages.common.params import load, read_yaml
from stages.common.spending import FREE, Ledger
from stages.synthesize import critic, prompts, size
from stages.synthesize.draws import Draw, Product, draws
from stages.synthesize.parsing import NotAChat, turns
from stages.synthesize.rounds import Writing, write
from stages.synthesize.teacher import Teacher, ledger, price, teacher, terms
from stages.synthesize.variety import coverage, distinct

ANSWERS = Path("data/synthetic/answers.jsonl")
SCENARIOS, VISITORS = "data/prompts/scenarios.yaml", "data/prompts/visitors.yaml"


def main() -> None:
    children.end_with_caller()
    params = load("synthesize")
    cards = characters.read_all()
    product = what_there_is(params, cards)
    drawn = draws(params["synthesize.chats"], params["synthesize.seed"], product)
    print(size.sentence(sum(map(len, product.examples.values())), len(drawn)), flush=True)
    spending = ledger(params)
    with store() as answers, teacher(params) as asked:
        writings = ask_for(drawn, cards, params, asked, answers, spending)
        written, rejects = to_chats(writings, drawn, cards, params)
        judged = criticise(written, cards, params, asked, answers, spending) if params["synthesize.critic"] else []
        tell_what_is_missing(writings, params)
    paid = [(writing.number, *answer) for writing in writings for answer in writing.answers] + judged
    write_jsonl(ANSWERS, ({"request": number, "key": name, **vars(answer)} for number, name, answer in paid))
    write_jsonl("data/synthetic/chats.jsonl", written)
    write_jsonl("data/synthetic/rejects.jsonl", rejects)
    write_json("metrics/synthesize.json", metrics(writings, written, judged, spending) | coverage(drawn, product) | distinct(written))


def store() -> AnswerStore:
    """The machine's store of answers, with what another machine paid for: the answers of the last run, where the pipeline brought them."""
    answers = AnswerStore(environments.state("answers") / "answers.sqlite")
    if ANSWERS.exists():
        rows = read_jsonl(ANSWERS)
        if new := answers.put({row["key"]: Answer(row["text"], row["finish"], row["prompt_tokens"], row["completion_tokens"]) for row in rows}):
            print(f"{new} answers that another machine paid for are in the store now", flush=True)
    return answers


def what_there_is(params: Mapping, cards: Collection[str]) -> Product:
    """What chats are drawn from. Raises UserError with the file where something of it cannot be used."""
    examples = shown(chats.read("data/curated/chats.jsonl"), params)
    product = Product(read_scenarios(SCENARIOS, cards), read_visitors(VISITORS), params["synthesize.exchanges"], examples, params["synthesize.examples"])
    if idle := [character for character in sorted(examples) if not product.of(character)]:
        raise UserError(f"{SCENARIOS}: no scenario for {', '.join(idle)}; expected at least one, for each of them or for everybody")
    return product


def read_scenarios(path: str, cards: Collection[str]) -> list[dict]:
    """The scenarios of a file.

    Raises UserError where they are no list of mappings with id, kind, situation and perhaps visitor, or where one names a character that is not among `cards`.
    """
    scenarios = read_yaml(path)
    if not isinstance(scenarios, list) or not scenarios:
        raise UserError(f"{path}: a list of scenarios is expected")
    known = sorted(cards)
    for number, scenario in enumerate(scenarios, start=1):
        for field in ("id", "kind", "situation"):
            if not isinstance(scenario, dict) or not isinstance(scenario.get(field), str):
                raise UserError(f"{path}: scenario {number} has no {field}")
        if not isinstance(scenario.get("visitor", ""), str):
            raise UserError(f"{path}: scenario {number} has the visitor {scenario['visitor']!r}; expected words, or none")
        if "character" in scenario and scenario["character"] not in known:
            raise UserError(f"{path}: scenario {number} is for {scenario['character']!r}, who has no card; data/characters has {', '.join(known)}")
    return scenarios


def read_visitors(path: str) -> dict[str, list[str]]:
    """The lists ages, stations and moods of a file. Raises UserError where one is not there, or is no list of words."""
    lists = read_yaml(path)
    for name in ("ages", "stations", "moods"):
        found = lists.get(name) if isinstance(lists, dict) else None
        if not isinstance(found, list) or not found or not all(isinstance(entry, str) and entry.strip() for entry in found):
            raise UserError(f"{path}: {name} is {str(found)[:80]}; expected a list of words")
    return lists


def shown(curated: list[dict], params: Mapping) -> dict[str, list[dict]]:
    """The chats that the teacher may see, by character: those that the hold-out gives to train.

    Raises UserError where a character has fewer than a request needs.
    """
    seed, validation, test = (params[f"holdout.{name}"] for name in ("seed", "validation", "test"))
    allowed: dict[str, list[dict]] = {chat["character"]: [] for chat in curated}
    for chat in sorted(curated, key=lambda c: c["id"]):
        if split_of(chat, seed, validation, test) == "train":
            allowed[chat["character"]].append(chat)
    needed = params["synthesize.examples"]
    if poor := [character for character, members in allowed.items() if len(members) < needed]:
        raise UserError(f"synthesize needs {needed} training chats of each character as examples; {', '.join(poor)} has fewer: add to data/gold/")
    return allowed


def ask_for(drawn: list[Draw], cards: dict[str, dict], params: Mapping, asked: Teacher, answers: AnswerStore, spending: Ledger) -> list[Writing]:
    """What the teacher wrote for each draw."""
    structured = params["synthesize.structured"]

    def ask(label: str, requests: list[Request]) -> list[Answer | Unanswered]:
        cost = price(params, params["synthesize.teacher"]) or FREE
        return completions.ask(asked.connect, asked.endpoint, requests, terms(params), label, answers, spending, cost)

    def read(number: int, answer: Answer) -> list[dict]:
        return turns(answer, cards[drawn[number].character]["name"], structured)

    return write(bodies(drawn, cards, params), params["synthesize.retries"], asked.endpoint, ask, read)


def bodies(drawn: list[Draw], cards: dict[str, dict], params: Mapping) -> list[dict]:
    """The first request for each draw, in the API's own fields."""
    local, structured = params["synthesize.base_url"] is None, params["synthesize.structured"]
    fixed = {
        "model": "teacher" if local else params["synthesize.teacher"],
        **{name: params[f"synthesize.{name}"] for name in ("temperature", "top_p")},
        "max_tokens": params["synthesize.answer_tokens"],
        **({"response_format": prompts.response_format()} if structured else {}),
    }
    seed = params["synthesize.seed"]
    return [
        {**fixed, "messages": prompts.messages(draw, cards[draw.character], structured), **({} if local else {"seed": seed + number})}
        for number, draw in enumerate(drawn)
    ]


def to_chats(writings: list[Writing], drawn: list[Draw], cards: dict[str, dict], params: Mapping) -> tuple[list[dict], list[dict]]:
    """(chats, rejects). A chat that was written before is a reject; so is every attempt that could not be used."""
    written, rejects, seen = [], [], set()
    for writing in writings:
        faults = list(writing.faults)
        if writing.turns:
            chat = to_chat(writing, drawn[writing.number], cards[drawn[writing.number].character], params)
            if chat["id"] in seen:
                faults.append(NotAChat("repeated", chat["id"], "each chat once"))
            else:
                seen.add(chat["id"])
                written.append(chat)
        rejects += [
            {"request": writing.number, "attempt": attempt, "rule": fault.rule, "found": fault.found, "expected": fault.expected}
            for attempt, fault in enumerate(faults, start=1)
        ]
    return written, rejects


def to_chat(writing: Writing, draw: Draw, card: dict, params: Mapping) -> dict:
    """The chat record of what was written for a draw."""
    return {
        "id": chat_id(draw.character, "synthetic", writing.turns),
        "character": draw.character,
        "topic": draw.scenario["kind"],
        "visitor": draw.visitor,
        "conversations": [
            {"from": "system", "value": characters.system_prompt(card, params["curate.user"], [turn["value"] for turn in writing.turns])},
            *writing.turns,
        ],
        "source": {
            "kind": "synthetic",
            "license": params["synthesize.output_license"],
            "parents": [example["id"] for example in draw.examples],
            "scenario": draw.scenario["id"],
            "teacher": params["synthesize.teacher"],
            "request": writing.key,
        },
    }


def criticise(
    written: list[dict], cards: dict[str, dict], params: Mapping, asked: Teacher, answers: AnswerStore, spending: Ledger
) -> list[tuple[int, str, Answer]]:
    """Put a critique into each chat, as synthesize.critic gives it; a chat whose critique cannot be had or read has none. (number, key, answer) of each."""
    model = params["synthesize.critic"]
    if params["synthesize.base_url"] is None and model != params["synthesize.teacher"]:
        raise UserError(f"params.yaml: synthesize.critic is {model}; the one model that is served here is synthesize.teacher, {params['synthesize.teacher']}")
    fixed = {"model": "teacher" if params["synthesize.base_url"] is None else model, "temperature": 0.0, "max_tokens": critic.MAX_TOKENS}
    if params["synthesize.structured"]:
        fixed["response_format"] = critic.response_format()
    requests = [Request(number, {**fixed, "messages": critic.messages(chat, cards[chat["character"]])}) for number, chat in enumerate(written)]
    outcomes = completions.ask(asked.connect, asked.endpoint, requests, terms(params), "critic", answers, spending, price(params, model) or FREE)
    paid = []
    for chat, request, outcome in zip(written, requests, outcomes, strict=True):
        if isinstance(outcome, Answer):
            paid.append((request.index, completions.key(asked.endpoint, request.index, request.body), outcome))
            try:
                chat["critique"] = critic.scores(outcome)
            except NotAChat as fault:
                print(f"critic: {chat['id']}: {fault}", flush=True)
    return paid


def tell_what_is_missing(writings: list[Writing], params: Mapping) -> None:
    """Say on which requests the run ends without an answer, and what asks for them."""
    capped, failed = sum(writing.capped for writing in writings), sum(bool(w.faults) and w.faults[-1].rule == "unanswered" for w in writings)
    if capped:
        caps = ", ".join(
            f"{name} {params[f'synthesize.{name}']}" for name in ("max_usd", "max_requests", "max_tokens") if params[f"synthesize.{name}"] is not None
        )
        print(f"{capped} of {len(writings)} requests were not sent: the caps ({caps}) would be passed. A higher cap asks for these alone.", flush=True)
    if failed:
        print(f"{failed} of {len(writings)} requests got no answer; `dvc repro -s -f synthesize` asks for these alone.", flush=True)


def metrics(writings: list[Writing], written: list[dict], judged: list, spending: Ledger) -> dict[str, float]:
    """Counts, tokens and dollars of this set of requests, however many runs have answered them."""
    return {
        "asked": len(writings),
        "chats": len(written),
        "rejected": sum(not writing.capped for writing in writings) - len(written),
        "not_asked": sum(writing.capped for writing in writings),
        "attempts": sum(len(writing.answers) for writing in writings),
        "criticised": sum("critique" in chat for chat in written),
        "prompt_tokens": spending.spent.prompt_tokens,
        "completion_tokens": spending.spent.completion_tokens,
        "usd": round(spending.spent.usd, 6),
    }


if __name__ == "__main__":
    run(main)
