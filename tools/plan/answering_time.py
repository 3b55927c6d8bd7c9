"""How long answer takes, from measured rates: this machine's own where the stage has run here, else those of such a processor; None where nobody has measured one.

A server computes one token of each answer that is under way in a step. A step takes a fixed time, in which the weights pass through the processor, and something for
each answer: measured rounds lie within a fifth of that line. So few answers at once, or a long one at the end, cost more a token than many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.plan.machine import Machine
from tools.plan.training_time import SMOLLM2

MODELS = ("base", "adapter")


@dataclass(frozen=True)
class Round:
    """Requests that are sent to one model together, as stages/answer/served.py measures them."""

    model: str
    requests: int
    prompt_tokens: float
    answer_tokens: float
    longest: float


@dataclass(frozen=True)
class Rates:
    """Seconds: of a step, of a token in it, and of a token of the prompts, for each of MODELS; of the servers' start; and of a scored token."""

    step: Mapping[str, float]
    token: Mapping[str, float]
    prompt: Mapping[str, float]
    start: float
    scored: float
    load: float
    """Until the first chat is scored."""
    source: str


@dataclass(frozen=True)
class CpuRates:
    """Rates of SmolLM2-135M on a processor."""

    flag: str
    cores: int
    rates: Rates


# By least squares over the rounds of a run, both models together: on a CPU the adapter is folded into the base's weights, and as fast.
CPU_RATES = (
    CpuRates(
        "amx_bf16",
        2,
        Rates(
            step={"base": 0.041, "adapter": 0.041},
            token={"base": 0.0009, "adapter": 0.0009},
            prompt={"base": 0.00008, "adapter": 0.00008},
            start=51.0,
            scored=0.0012,
            load=12.0,
            source="rounds measured with SmolLM2-135M on two cores with AMX: 48 answers at once make 570 tokens/s",
        ),
    ),
)


def seconds(one: Round, rates: Rates, concurrency: int) -> float:
    """What a round takes: as many steps as full batches need, and those in which the last, longest answer is finished."""
    at_once = min(one.requests, concurrency)
    steps = one.answer_tokens / at_once + one.longest - one.answer_tokens / one.requests
    return steps * rates.step[one.model] + one.answer_tokens * rates.token[one.model] + one.prompt_tokens * rates.prompt[one.model]


def scaled(rates: Rates, generation: Mapping[str, float], source: str, **other: float) -> Rates:
    """The rates with those of each model times a factor of its own, and others as given."""
    parts = {name: {model: value * generation[model] for model, value in getattr(rates, name).items()} for name in ("step", "token", "prompt")}
    whole = {name: getattr(rates, name) for name in ("start", "scored", "load")} | other
    return Rates(**parts, **whole, source=source)


def on_cpu(flags: set[str], machine: Machine, weights: int) -> Rates | None:
    """Of a model of so many weights, from the table; None where it has no such processor."""
    found = next((one.rates for one in CPU_RATES if one.flag in flags and one.cores == machine.cores), None)
    if found is None or machine.gpu:
        return None
    larger = weights / SMOLLM2
    told = "" if weights == SMOLLM2 else f", scaled by weights ({larger:.1f} times as many)"
    return scaled(found, dict.fromkeys(MODELS, larger), found.source + told, scored=found.scored * larger)


def of_this_machine(record: Mapping[str, Any], base: str, machine: Machine) -> Rates | None:
    """From what the stage's last run took here (.dramatis/rates/answer.json); None where that was another base model, or the machine was another.

    The shape of the line is the first of CPU_RATES'; its height is the record's, for each model.
    """
    if (record["base"], record["cores"], record["gpu"]) != (base, machine.cores, machine.gpu):
        return None
    shape, factors = CPU_RATES[0].rates, {}
    for model in MODELS:
        own = [one for one in record["rounds"] if one["model"] == model]
        lines = [Round(*(one[name] for name in Round.__dataclass_fields__)) for one in own]
        factors[model] = sum(one["seconds"] for one in own) / sum(seconds(one, shape, record["concurrency"]) for one in lines)
    scored = max(record["scored"]["seconds"] - shape.load, 0.0) / record["scored"]["tokens"]
    return scaled(shape, factors, "the stage's last run on this machine", start=record["start"], scored=scored)


def total(rounds: Sequence[Round], scored: float, rates: Rates, concurrency: int) -> dict[str, float]:
    """Seconds by part: the servers' start, each model's rounds, and the losses over so many tokens."""
    parts = {model: sum(seconds(one, rates, concurrency) for one in rounds if one.model == model) for model in MODELS}
    return {"start": rates.start, **parts, "losses": rates.load + scored * rates.scored}
