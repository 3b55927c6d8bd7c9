"""How long a training takes, from measured rates; None where nobody has measured one for such a machine."""

from __future__ import annotations

from dataclasses import dataclass

from tools.plan.machine import Machine

SMOLLM2 = 134_515_008
LLAMA_8B = 8_030_261_248
CHECKPOINTING = 4 / 3
"""Each layer is computed forward twice and backward once, and with frozen weights a backward pass is as dear as a forward one: 3/2; the rest is not done twice."""
STARTUP = 25.0
"""Seconds from the stage's start to the first step on two cores, imports and tokenizing (20 to 25 measured)."""
EVALUATION = 0.5
"""What a token of evaluation takes of one in training: the forward pass without the backward one."""


@dataclass(frozen=True)
class Duration:
    """Seconds of a training and where the rate is from."""

    training: float
    evaluation: float
    startup: float
    source: str

    @property
    def total(self) -> float:
        return self.training + self.evaluation + self.startup


@dataclass(frozen=True)
class CpuRate:
    """Chat tokens a second of SmolLM2-135M by our config on a processor, without evaluation."""

    flag: str
    cores: int
    bf16: bool
    tokens_per_second: float
    source: str


# The first that fits counts.
CPU_RATES = (
    CpuRate("amx_bf16", 2, True, 500, "500 tokens/s of SmolLM2-135M on two cores with AMX (whole trainings: 425 beside other work, 524 alone)"),
    CpuRate("avx512_bf16", 2, True, 318, "318 tokens/s of SmolLM2-135M on two cores with AVX512_BF16 and no AMX (a whole training; 267 to 337 in six steps)"),
    CpuRate("avx512f", 2, False, 144, "144 tokens/s of SmolLM2-135M in float32 on two cores with AVX-512 (Axolotl's own default, 141 and 146 in six steps)"),
)

GPU_MINUTES = {("4090", 0): (60, 45), ("A100", 0): (30, 20), ("A100", 60e9): (25, 15)}
"""The guide's minutes for 1,000 samples of an 8B Llama, by LoRA and by QLoRA: by a part of the GPU's name and the bytes it has at least.

It says neither how long a sample is nor whether it is gone through once or, as in its own configuration, three times. Read here as once: the slower.
"""


def on_cpu(flags: set[str], machine: Machine, bf16: bool, weights: int, checkpointing: bool, tokens: int, evaluated: int) -> Duration | None:
    """The time for `tokens` of chats in training and `evaluated` in evaluation, of a model of `weights` weights."""
    found = next((rate for rate in CPU_RATES if rate.flag in flags and rate.cores == machine.cores and rate.bf16 == bf16), None)
    if found is None:
        return None
    each = weights / SMOLLM2 / found.tokens_per_second
    scaled = "" if weights == SMOLLM2 else f", scaled by weights ({weights / SMOLLM2:.1f} times as many), which nobody has measured"
    return Duration(tokens * each * (CHECKPOINTING if checkpointing else 1), evaluated * each * EVALUATION, STARTUP, found.source + scaled)


def on_gpu(machine: Machine, four_bits: bool, weights: int, passes: float, evaluated: float) -> Duration | None:
    """The time for `passes` of a chat in training and `evaluated` in evaluation, over all GPUs."""
    fits = [(least, minutes) for (name, least), minutes in GPU_MINUTES.items() if name in machine.name and machine.memory >= least]
    if not fits:
        return None
    minutes = max(fits)[1][four_bits]
    each = minutes * 60 / 1000 * weights / LLAMA_8B / machine.processes
    source = (
        f"the guide's {minutes} minutes for 1,000 samples of an 8B Llama; it does not say how long a sample is, nor how often it is gone through: read as once"
    )
    return Duration(passes * each, evaluated * each * EVALUATION, 0.0, source)
