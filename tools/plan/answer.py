"""The plan of answer: requests, tokens and time, as params.yaml has it and with every prompt that there is; and what a visitor costs who is asked elsewhere.

Prompts are counted by the base model's tokenizer. How long an answer is nobody knows before: each arm's mean in the last run, where its answers are here; else base and prompted are
taken to talk until they are cut off, as small models do, and tuned to talk as long as the gold does, which is what training teaches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from stages.answer import visitor
from stages.answer.__main__ import ARMS, MODELS, PLAIN, PLAIN_SAMPLING, SETS, SPLITS, again, ask_whom, most_tokens, telling
from stages.answer.conversations import Messages
from stages.answer.own_words import SAMPLE
from stages.answer.served import measured
from stages.answer.situations import TALK
from stages.common import characters, chats, plain_questions
from stages.common.chats import spoken
from stages.common.files import read_json, read_jsonl
from stages.common.params import load, read_yaml
from stages.common.spending import Price, Use
from stages.filter.context import Context
from stages.train.__main__ import cpu_flags
from tools.plan import answering_time
from tools.plan.answering_time import Rates, Round
from tools.plan.base_description import of_base
from tools.plan.chat_lengths import chat_tokens
from tools.plan.machine import here
from tools.plan.train import existing, minutes, table

PLAIN_TOKENS = 4.0  # of an answer to a plain question, where none was given yet
LINE = 0.85  # of visitor.TOKENS that the visitor's model takes, as the base did; what is then said is counted as long as the file's line
EVERYTHING = {"answer.limit": None, "answer.talks": None}
ROLES = {"system": "system", "user": "human", "assistant": "gpt"}


@dataclass(frozen=True)
class Lengths:
    """Tokens of the answers of an arm in a set, mean and longest."""

    found: Mapping[tuple[str, str], tuple[float, float]]
    source: str

    def of(self, arm: str, group: str, most: int) -> tuple[float, float]:
        mean, longest = self.found.get((arm, group)) or self.found.get((arm, "")) or (most, most)
        return min(mean, most), min(longest, most)


@dataclass(frozen=True)
class Count:
    """Counts tokens as the base model does."""

    context: Context

    def words(self, text: str) -> int:
        return len(self.context.tokenizer.encode(text, add_special_tokens=False).ids)

    def around(self, role: str) -> int:
        """Tokens that the template puts around a turn of the role."""
        before = [{"role": "system", "content": "a"}, *([{"role": "user", "content": "a"}] if role == "assistant" else [])]
        return self([*before, {"role": role, "content": "a"}]) - self(before) - self.words("a")

    def __call__(self, messages: Messages) -> int:
        """Of messages as the template writes them; where none is the system's, with what the template puts in its place."""
        return self.words(self.context.text([{"from": ROLES[one["role"]], "value": one["content"]} for one in messages]))


@dataclass(frozen=True)
class Plan:
    """What a run would take."""

    conversations: Mapping[str, int]
    """Of each set, with all characters, for one arm."""
    rounds: Sequence[Round]
    """On the server of the run."""
    elsewhere: Use
    """Of the visitor's model, where it is not on that server."""
    scored: float
    """Tokens of the losses."""


def planned(
    asked: Sequence[Mapping],
    told: Callable[[Mapping], str],
    plainly: Sequence[Mapping],
    params: Mapping[str, Any],
    count: Count,
    lengths: Lengths,
    held_out: int,
) -> Plan:
    """The plan for these questions; `held_out` are the character's tokens in the chats whose loss is taken."""
    rounds, elsewhere, margins = [], Use(), 0.0
    for model in MODELS:
        of_model, lines = spoken_by(model, asked, told, params, count, lengths)
        rounds += of_model
        if params["answer.visitor.base_url"] is None:
            rounds += lines
        else:
            elsewhere += sum((Use(one.requests, round(one.prompt_tokens), round(one.answer_tokens)) for one in lines), Use())
        mean, longest = lengths.of(PLAIN[model], "plain", PLAIN_SAMPLING["max_tokens"])
        questions = sum(count(plain_questions.messages(question)) for question in plainly)
        rounds += [Round(model, len(plainly), questions, mean * len(plainly), longest)] if plainly else []
        said = sum(one.answer_tokens for one in of_model) / sum(arm == model for arm in ARMS.values())
        margins += 2 * SAMPLE * said / max(len(asked), 1)  # under either model
    return Plan(Counter(question["set"] for question in asked if question["sample"] == 1), rounds, elsewhere, len(ARMS) * held_out + margins)


def spoken_by(
    model: str, asked: Sequence[Mapping], told: Callable[[Mapping], str], params: Mapping, count: Count, lengths: Lengths
) -> tuple[list[Round], list[Round]]:
    """The rounds of a model's arms, a turn each, and those of the visitor between them."""
    posed = [(arm, question) for arm in ARMS if ARMS[arm] == model for question in asked]
    rounds, lines, around_prompt, around_answer = [], [], count.around("user"), count.around("assistant")
    default = count([{"role": "user", "content": "a"}]) - count.words("a") - around_prompt  # what the template tells base in a system prompt's place
    before = [default if arm == "base" else count([{"role": "system", "content": told(question)}]) for arm, question in posed]
    sizes: list[float] = list(before)
    for turn in range(1, 1 + max((len(question["prompts"]) for question in asked), default=0)):
        places = [place for place, (_, question) in enumerate(posed) if len(question["prompts"]) >= turn]
        talked = [place for place in places if posed[place][1]["set"] == TALK] if turn > 1 else []
        if talked:
            called = count.words(visitor.CALLED) + around_prompt
            heard = sum(sizes[place] - before[place] + called + count([{"role": "system", "content": posed[place][1]["visitor"]}]) for place in talked)
            lines.append(Round("base", len(talked), heard, LINE * visitor.TOKENS * len(talked), visitor.TOKENS))
        prompts, answers, longest = 0.0, 0.0, 0.0
        for place in places:
            arm, question = posed[place]
            sizes[place] += count.words(question["prompts"][turn - 1]) + around_prompt
            prompts += sizes[place]
            mean, most = lengths.of(arm, question["set"], most_tokens(question, params))
            sizes[place] += mean + around_answer
            answers, longest = answers + mean, max(longest, most)
        rounds.append(Round(model, len(places), prompts, answers, longest))
    return rounds, lines


def last_lengths(count: Count, folder: Path, gold: Sequence[dict]) -> Lengths:
    """From the answers of the last run, where they are in the folder; else from the replies of the gold. The token that ends an answer counts."""
    found: dict[tuple[str, str], list[int]] = {}
    for name, group in (("answers", None), ("talks", TALK), ("plain", "plain")):
        if (folder / f"{name}.jsonl").exists():
            for row in read_jsonl(folder / f"{name}.jsonl"):
                found.setdefault((row["arm"], group or row["set"]), []).append(1 + count.words(row["answer"]))
    if found:
        return Lengths({key: (fmean(counts), max(counts)) for key, counts in found.items()}, "the answers of the last run, data/answers")
    replies = [1 + count.words(reply) for chat in gold for reply in spoken(chat, "gpt")]
    plain = dict.fromkeys(((arm, "plain") for arm in PLAIN.values()), (PLAIN_TOKENS, PLAIN_SAMPLING["max_tokens"]))
    return Lengths({("tuned", ""): (fmean(replies), max(replies)), **plain}, "the gold for tuned; base and prompted taken to be cut off")


def visitors_price(params: Mapping, used: Use) -> list[str]:
    """What the visitor's model is asked and costs, in sentences; none where nothing is asked elsewhere."""
    if not used.requests:
        return []
    url, model = params["answer.visitor.base_url"], params["answer.visitor.model"]
    price = read_yaml("params.yaml")["synthesize"]["prices"].get(model)
    usd = Price(price["input"], price["output"]).use(used.prompt_tokens, used.completion_tokens).usd if price else None
    cost = f"${usd:,.4f}" if price else f"synthesize.prices has no price for {model}: no dollars can be told"
    return [f"{model} at {url} plays the visitor: {used.requests:,} requests, {used.prompt_tokens:,} + {used.completion_tokens:,} tokens, {cost}"]


def figures(plans: Mapping[str, Plan], rates: Rates | None, concurrency: int) -> list[str]:
    """The plans side by side as rows for a person."""
    some = list(plans.values())

    def row(name: str, *cells: str) -> tuple[str, str]:
        return name, "".join(f"{cell:>22}" for cell in cells)

    rows = [row("", *plans)]
    for group in (*SETS, "world", TALK):
        rows.append(row(f"{group}, each arm", *(f"{plan.conversations.get(group, 0):,}" for plan in some)))
    rows.append(row("requests", *(f"{sum(one.requests for one in plan.rounds):,}" for plan in some)))
    rows.append(row("prompt tokens", *(f"{sum(one.prompt_tokens for one in plan.rounds):,.0f}" for plan in some)))
    rows.append(row("answer tokens", *(f"{sum(one.answer_tokens for one in plan.rounds):,.0f}" for plan in some)))
    if rates:
        times = [answering_time.total(plan.rounds, plan.scored, rates, concurrency) for plan in some]
        named = {"start": "the servers start", "base": "base, prompted", "adapter": "tuned", "losses": "losses"}
        rows += [row(f"  {label}", *(minutes(time[part]) for time in times)) for part, label in named.items()]
        rows.append(row("time", *(minutes(sum(time.values())) for time in times)))
    return table(rows)


def answer() -> None:
    """Print the plan of answer, as params.yaml has it and with all prompts."""
    params, wanted = load("answer"), load("base")
    model, context = of_base(wanted["base_model"], wanted["base_model_revision"], 1 << 20)
    machine, cards = here(), characters.read_all()
    splits = {name: chats.read(existing(path)) for name, path in SPLITS.items()}
    held_out = sum(chat.said.bit_count() for some in splits.values() for chat in chat_tokens(some, context))
    count, told = Count(context), telling(cards, params["curate.user"])
    lengths = last_lengths(count, Path("data/answers"), splits["test"])
    plans = {}
    for name, changed in (("as in params.yaml", {}), ("every prompt", EVERYTHING)):
        values = {**params, **changed}
        plans[name] = planned(again(ask_whom(cards, values), values["answer.seeds"]), told, plain_questions.read(), values, count, lengths, held_out)
    record = read_json(measured()) if measured().exists() else None
    rates = (record and answering_time.of_this_machine(record, wanted["base_model"], machine)) or answering_time.on_cpu(cpu_flags(), machine, model.weights)
    print(f"{wanted['base_model']}: {', '.join(ARMS)}, {params['answer.concurrency']} requests at once; {machine.name}\n")
    print("\n".join(figures(plans, rates, params["answer.concurrency"])), end="\n\n")
    print(f"Lengths of answers from {lengths.source}.")
    if rates:
        print(f"Time from {rates.source}; every prompt: answer.limit and answer.talks null.")
    else:
        print("Time: nobody has measured a rate for this machine. Once answer has run here, its own rates are kept, and this tells the time of the next run.")
    for name, plan in plans.items():
        for sentence in visitors_price(params, plan.elsewhere):
            print(f"{name}: {sentence}.")
