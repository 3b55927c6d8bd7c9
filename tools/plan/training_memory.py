"""The memory that a training takes, part by part, from the shape of the model, the parameters of the run and its largest batch.

What autograd keeps was counted with torch's saved_tensors_hooks in real Axolotl runs on a CPU, and is followed here tensor by tensor; it comes out to
0.5 %. A layer keeps, for each token: the input of both norms in float32; queries, keys, values and what attention said; the MLP's gate, its activation
and up; and for each LoRA map the mask of its dropout and its input. On a GPU the mask is a byte a value (torch's fused dropout), on a CPU as wide as the
input that PEFT has cast to the adapter's float32. Nothing here has been measured on a GPU; published figures stand in tests/tools/test_plan_train.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from tools.plan.batches import Batch
from tools.plan.model_shape import Shape

GB = 1e9
MIB = 2**20

CPU_PROCESS = 1000 * MIB
"""Measured: Python with torch, transformers and Axolotl before the model is opened, 830 MiB, and accelerate's launcher beside it, 160."""
GPU_PROCESS = 0.7 * GB
"""CUDA's context and libraries: assumed, not measured."""
SHORT = 512
"""Tokens up to which stages/weights/cpu_attention.py makes the whole score matrix."""
NF4 = 4.127
"""Bits of a weight in 4 bits with its doubly quantized scales (QLoRA, arXiv 2305.14314, section 3)."""
OPTIMIZERS = {"8bit": 2, "lion": 4, "sgd": 0, "adafactor": 0}
"""Bytes a trainable weight of an optimizer's state, by a part of its name; AdamW's two moments in float32 are 8."""
HOLES = {True: 0.8, False: 0.3}
"""Of the activations, by `bf16`: heap that glibc 2.36 holds and cannot use again, as mallinfo2 showed in three runs of SmolLM2-135M (micro batch 2; 8 in float32; 4 with
checkpoints; benchmarks/plan_check.py compares others). In bfloat16 each LoRA map makes float32 copies in between, which leave more holes."""
LOGIT_HOLES = 0.66
"""Of the logits: those of other batches and of evaluation have other sizes, and leave theirs beside."""
LOGIT = 12
"""Bytes of a logit at the worst moment, when the softmax is differentiated: its value, the gradient that comes and the one that goes, in float32."""


@dataclass(frozen=True)
class Run:
    """What of the rendered config counts for memory."""

    gpu: bool
    bf16: bool
    four_bits: bool
    rank: int
    modules: Sequence[str]
    dropout: bool
    optimizer: str
    checkpointing: bool
    shards: int
    """GPUs over which FSDP or ZeRO-3 splits weights, adapter and optimizer; 1 where each holds all."""


@dataclass(frozen=True)
class Memory:
    """Bytes at the peak, on one GPU, or of all processes on a CPU."""

    process: float
    weights: float
    adapter: float
    """With its gradients."""
    optimizer: float
    activations: float
    logits: float
    allocator: float
    """What the heap holds beside them: glibc fills holes between tensors badly."""

    @property
    def total(self) -> float:
        return sum(getattr(self, part.name) for part in fields(self))


def memory(shape: Shape, run: Run, batch: Batch) -> Memory:
    """The memory of a training whose largest batch is `batch`."""
    trained = shape.adapter(run.rank, run.modules) / run.shards
    state = next((size for name, size in OPTIMIZERS.items() if name in run.optimizer), 8)
    kept, logits = activations(shape, run, batch), batch.chats * positions(run, batch) * shape.vocabulary * LOGIT
    return Memory(
        process=GPU_PROCESS if run.gpu else CPU_PROCESS,
        weights=weights(shape, run),
        adapter=trained * (8 + (2 if run.bf16 else 0)),  # float32 with its gradient, and the copy that autocast makes
        optimizer=trained * state,
        activations=kept,
        logits=logits,
        allocator=0 if run.gpu else HOLES[run.bf16] * kept + LOGIT_HOLES * logits,
    )


def weights(shape: Shape, run: Run) -> float:
    """Bytes of the frozen weights on one device while it trains."""
    layers = shape.in_layers * (NF4 / 8 if run.four_bits else 2 if run.bf16 else 4)
    rest = (2 if run.bf16 else 4) * (shape.weights - shape.in_layers)
    held = layers + rest
    if run.shards > 1:  # a layer at a time is gathered; embeddings and head, which are in none, stay gathered
        held = held / run.shards + layers / shape.layers + rest
    if run.four_bits:  # one map at a time is there in bfloat16
        held += 2 * max(into * out for into, out in shape.linears.values())
    return held


def loading(shape: Shape, run: Run) -> float:
    """Bytes at the peak while a GPU loads a base in 4 bits: it holds the whole before it is split, and PEFT casts what is not quantized to float32."""
    upcast = 2 if run.shards > 1 else 4  # under FSDP PEFT's preparation is left out (Axolotl 0.19, loaders/model.py)
    return GPU_PROCESS + shape.in_layers * NF4 / 8 + upcast * (shape.weights - shape.in_layers) if run.four_bits else 0


def positions(run: Run, batch: Batch) -> int:
    """Positions of each row whose logits are computed: on a CPU those that predict a word of the character's (stages/weights/cpu_training.py)."""
    return batch.length if run.gpu else batch.said


def activations(shape: Shape, run: Run, batch: Batch) -> float:
    """Bytes that autograd keeps from the forward pass to the backward one, the logits left out."""
    value, tokens = 2 if run.bf16 else 4, batch.chats * batch.length
    layer = tokens * layer_token(shape, run, batch.length)
    ends = tokens * 4 * shape.width  # the last norm's input
    if run.checkpointing:  # each layer's input, and one layer at a time again as a whole
        return shape.layers * tokens * value * shape.width + layer + ends
    return shape.layers * layer + ends


def layer_token(shape: Shape, run: Run, length: int) -> float:
    """Bytes that autograd keeps of one token in one layer, in rows of `length` tokens."""
    value = 2 if run.bf16 else 4
    norms = 2 * 4 * shape.width
    attention = value * (2 * shape.queries + 2 * shape.keys)
    if not run.gpu and length <= SHORT:
        attention = value * (shape.queries + 2 * shape.keys + shape.heads * length)
    mlp = 3 * value * shape.mlp
    mask = (1 if run.gpu else 4) if run.dropout else 0
    lora = sum((mask + value) * shape.linears[name][0] + value * run.rank for name in run.modules)
    return norms + attention + mlp + lora
