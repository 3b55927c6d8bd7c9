"""The plan of train: steps, tokens, padding, memory by part against what the machine has, time by measured rates. Nothing is loaded but the tokenizer."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from stages.common import chats as records
from stages.common.errors import UserError
from stages.common.params import load
from stages.train.__main__ import BASE, SPLITS, cpu_flags
from stages.train.axolotl import has_flash_attention
from stages.train.config import precision, render
from stages.train.launch import launch
from tools.plan import batches, cheaper, training_memory, training_time
from tools.plan.base_description import of_base
from tools.plan.batches import Batch, ChatTokens
from tools.plan.chat_lengths import chat_tokens
from tools.plan.machine import Machine, here, imagined
from tools.plan.model_shape import Shape
from tools.plan.training_memory import Memory, Run
from tools.plan.training_time import Duration

COUNTED = {
    "max_steps",
    "fsdp",
    "fsdp_config",
    "fsdp_version",
    "deepspeed",
    "special_tokens",
}  # keys of `axolotl` that the plan reads, or that change nothing in it
MEETING = {"PET_NODE_RANK": "0", "PET_MASTER_ADDR": "127.0.0.1"}  # of several hosts, where torchrun has not been told yet
TIGHT = 0.85  # of what the machine has; the memory model is held to 20 %


@dataclass(frozen=True)
class Plan:
    """What a training would take."""

    shape: Shape
    run: Run
    machine: Machine
    steps: int
    evaluations: int
    tokens: int
    """Of the chats, over all passes, padding not counted."""
    evaluated: int
    """Of the validation chats, over all evaluations."""
    longest: int
    padding: float
    batch: Batch
    memory: Memory
    peak: float
    """Bytes: of training, or of loading where that takes more."""
    time: Duration | None


def planned(model: Shape, config: Mapping[str, Any], machine: Machine, flags: set[str], train: Sequence[ChatTokens], validation: Sequence[ChatTokens]) -> Plan:
    """The plan of a rendered Axolotl config for tokenized chats on a machine whose processor has `flags`."""
    run = counted(config, machine)
    steps = batches.steps(len(train), config, machine.processes)
    evaluations = batches.evaluations(steps, config)
    tokens = trained_tokens(train, config, steps * config["gradient_accumulation_steps"] * machine.processes)
    evaluated = evaluations * sum(chat.length for chat in validation)
    batch, memory = held(model, run, config, train, validation)
    if machine.gpu:
        chats = tokens / sum(chat.length for chat in train) * len(train)
        time = training_time.on_gpu(machine, run.four_bits, model.weights, chats, evaluations * len(validation))
    else:
        time = training_time.on_cpu(flags, machine, run.bf16, model.weights, run.checkpointing, tokens, evaluated)
    return Plan(
        model, run, machine, steps, evaluations, tokens, evaluated, max(chat.length for chat in train), batches.padding(train, config), batch, memory,
        max(memory.total, training_memory.loading(model, run)), time,
    )  # fmt: skip


def held(model: Shape, run: Run, config: Mapping[str, Any], train: Sequence[ChatTokens], validation: Sequence[ChatTokens]) -> tuple[Batch, Memory]:
    """The batch that takes the most memory, and what it takes. A short one may: on a CPU attention of up to 512 tokens keeps its whole score matrix."""
    longest = batches.largest(train, config)
    candidates = [longest, *(batches.epoch(train, config, random.Random(config["seed"])) if not run.gpu else [])]
    found = [(batch, training_memory.memory(model, run, batch)) for batch in candidates]
    return max(found, key=lambda pair: pair[1].total)


def counted(config: Mapping[str, Any], machine: Machine) -> Run:
    """What counts for memory in a rendered config."""
    sharded = bool(config.get("fsdp_config")) or "zero3" in str(config.get("deepspeed"))
    return Run(
        gpu=machine.gpu,
        bf16=config["bf16"],
        four_bits=config["adapter"] == "qlora",
        rank=config["lora_r"],
        modules=tuple(config["lora_target_modules"]),
        dropout=bool(config["lora_dropout"]),
        optimizer=config["optimizer"],
        checkpointing=bool(config["gradient_checkpointing"]),
        shards=machine.processes if sharded else 1,
    )


def trained_tokens(chats: Sequence[ChatTokens], config: Mapping[str, Any], count: int) -> int:
    """Tokens of the first `count` batches of all passes; the mean of the chats where the last pass is not gone through to its end."""
    a_pass = -(-len(chats) // config["micro_batch_size"])
    return round(count / a_pass * sum(chat.length for chat in chats))


def tokens_of(config: Mapping[str, Any], chats: Mapping[str, Sequence[ChatTokens]]) -> dict[str, list[ChatTokens]]:
    """The chats, cut where they are longer than the config allows."""
    most = config["sequence_len"]
    return {name: [ChatTokens(min(chat.length, most), chat.said & ((1 << most) - 1)) for chat in some] for name, some in chats.items()}


def table(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Name and value, the values in one column."""
    width = max(len(name) for name, _ in rows)
    return [f"{name:{width}}  {value}".rstrip() for name, value in rows]


def gb(size: float) -> str:
    return f"{size / training_memory.GB:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"


def minutes(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 5400 else f"{seconds / 60:.1f} min" if seconds >= 90 else f"{seconds:.0f} s"


def figures(plan: Plan, config: Mapping[str, Any], chats: Mapping[str, Sequence[ChatTokens]]) -> list[str]:
    """The plan as rows for a person."""
    micro, accumulation, processes = config["micro_batch_size"], config["gradient_accumulation_steps"], plan.machine.processes
    trained, memory, batch = plan.shape.adapter(plan.run.rank, plan.run.modules), plan.memory, plan.batch
    return table(
        [
            ("chats", f"{len(chats['train']):,} to train on, {len(chats['validation']):,} to validate"),
            ("steps", f"{plan.steps:,} of {micro * accumulation * processes} chats (micro batch {micro} x accumulation {accumulation} x processes {processes}), {plan.evaluations} evaluations"),
            ("tokens", f"{plan.tokens:,} in training, {plan.evaluated:,} in evaluation; the longest chat has {plan.longest:,}"),
            ("padding", f"{plan.padding:.1%} of what is computed"),
            ("trainable", f"{trained:,} of {plan.shape.weights:,} parameters ({trained / plan.shape.weights:.2%})"),
            ("", ""),
            ("memory", f"with {batch.chats} chats of {batch.length:,} tokens at once" + (f", in each of {processes} processes" if processes > 1 else "")),
            *((f"  {part.name}", gb(getattr(memory, part.name))) for part in fields(memory) if getattr(memory, part.name)),
            ("  in all", f"{gb(memory.total)}; {plan.machine.name}: {gb(plan.machine.memory)}" + ("" if plan.machine.gpu else " free")),
            *([("  loading", f"{gb(plan.peak)} while the base is quantized")] if plan.peak > memory.total else []),
            ("", ""),
            ("time", clock(plan)),
        ]
    )  # fmt: skip


def clock(plan: Plan) -> str:
    """Seconds by part and the source of the rate, or how to measure one."""
    if plan.time is None:
        return "?: nobody has measured a rate for this machine. `dvc exp run -S +axolotl.max_steps=3 train` does: tokens_per_second in metrics/train.json, by which to divide the tokens above"
    time = plan.time
    parts = f"training {minutes(time.training)}, evaluation {minutes(time.evaluation)}" + (f", start {minutes(time.startup)}" if time.startup else "")
    return f"{minutes(time.total)} ({parts}); from {time.source}"


def train(gib: float | None = None, gpus: int = 1, card: str = "GPU") -> None:
    """Print the plan of train, here or on `gpus` GPUs of `gib` GiB, which nvidia-smi would call `card`.

    Raises UserError for what train would refuse before it loads anything, and where it cannot fit, with the cheapest ways to make it fit.
    """
    params, wanted = load("train"), load("base")
    model, context = of_base(wanted["base_model"], wanted["base_model_revision"], params["sequence_len"])
    found = imagined(gib, gpus, card) if gib else here()
    started = launch(params, found.processes if found.gpu else 0, MEETING | os.environ)
    machine = replace(found, processes=started.world)
    bf16 = precision(params["bf16"], machine.gpu, cpu_flags())
    config = render(params, BASE, "scratch", bf16, machine.gpu, flash=machine.gpu and (gib is not None or has_flash_attention()))
    check(config, model)
    chats = {name: chat_tokens(records.read(existing(path)), context) for name, path in SPLITS.items()}
    for name, some in chats.items():
        if not some:
            raise UserError(f"{SPLITS[name]} has no chat: there is nothing to plan")
    plan = planned(model, config, machine, cpu_flags(), chats["train"], chats["validation"])
    modules = ", ".join(config["lora_target_modules"])
    print(f"{wanted['base_model']}, {config['adapter']} of rank {config['lora_r']} on {modules}, {'bfloat16' if bf16 else 'float32'}; {machine.name}\n")
    print("\n".join(figures(plan, config, chats)))
    if gib and config.get("sample_packing"):
        print("\nPacking takes flash-attn, which is taken to be installed there.")
    if left := sorted(params["axolotl"].keys() - COUNTED):
        print(f"\nNot counted here, though Axolotl is told: {', '.join(f'axolotl.{name}' for name in left)}.")
    together = 1 if machine.gpu else started.processes  # on a CPU they share the memory
    peak, has = plan.peak * together, machine.memory / together
    if peak > machine.memory:
        raise UserError(
            f"training would take {gb(peak)}, and {machine.name} has {gb(machine.memory)}{remedy(model, config, replace(machine, memory=has), chats)}"
        )
    if peak > TIGHT * machine.memory:
        print(f"\nTight: {peak / machine.memory:.0%} of what there is, and these figures may be 20 % off.")


def check(config: Mapping[str, Any], model: Shape) -> None:
    """Raise UserError for a value of the rendered config that cannot be counted with."""
    if unknown := [name for name in config["lora_target_modules"] if name not in model.linears]:
        raise UserError(f"params.yaml: lora_target_modules names {unknown[0]!r}; the plan can count {', '.join(model.linears)}")
    most = config.get("max_steps")
    if most is not None and (not isinstance(most, int) or isinstance(most, bool)):
        raise UserError(f"params.yaml: axolotl.max_steps is {most!r}; expected a whole number")


def remedy(model: Shape, config: Mapping[str, Any], machine: Machine, chats: Mapping[str, Sequence[ChatTokens]]) -> str:
    """The cheapest ways to make it fit, to go on a sentence with."""

    def total(changed: Mapping[str, Any]) -> float:
        cut, run = tokens_of(changed, chats), counted(changed, machine)
        return max(held(model, run, changed, cut["train"], cut["validation"])[1].total, training_memory.loading(model, run))

    found = cheaper.ways(config, machine.gpu, total, machine.memory)
    if not found:
        least = total(cheaper.changed(config, list(cheaper.changes(config, machine.gpu))))
        return f"; with all that can be spared it would still take {gb(least)}: a smaller base_model or a larger machine is needed"
    told = [f"{' and '.join(map(str, some))} takes {gb(takes)}" for some, takes in found]
    return f"; the cheapest ways to make it fit: {'; '.join(told)}"


def existing(path: str) -> str:
    """The path. Raises UserError, with the command that makes it, where nothing is there."""
    if not Path(path).exists():
        raise UserError(f"{path}: no such file; `dvc repro split` makes it (base brings the model, split the chats)")
    return path
