"""What tools.plan says that autograd keeps, and in which batches chats come, against the real thing."""

from __future__ import annotations

import random
from contextlib import nullcontext

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.trainer_pt_utils import get_length_grouped_indices

from stages.weights.cpu_attention import use_two_products
from stages.weights.cpu_training import drop_mask_of_padding_behind, keep_labelled_logits, quicken_dropout
from tools.plan.batches import Batch, grouped
from tools.plan.model_shape import shape
from tools.plan.training_memory import Run, activations

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
ALL = (*ATTENTION, "gate_proj", "up_proj", "down_proj")
CONFIG = LlamaConfig(
    vocab_size=512, hidden_size=96, intermediate_size=256, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2,
    max_position_embeddings=1024, tie_word_embeddings=True,
)  # fmt: skip
SHAPE = shape(CONFIG.to_dict())


def model(run: Run) -> torch.nn.Module:
    """A small Llama with an adapter, as the plugin leaves it on a CPU: frozen weights in the run's precision, the adapter in float32."""
    base = LlamaForCausalLM(CONFIG).to(torch.bfloat16 if run.bf16 else torch.float32)
    adapted = get_peft_model(base, LoraConfig(r=run.rank, lora_dropout=0.05 if run.dropout else 0.0, target_modules=list(run.modules)))
    adapted.enable_input_require_grads()  # as Axolotl does for every adapter
    if run.checkpointing:
        base.gradient_checkpointing_enable({"use_reentrant": False})
    use_two_products(base)
    drop_mask_of_padding_behind(adapted)
    keep_labelled_logits(adapted)
    quicken_dropout(adapted)
    return adapted.train()


def kept(run: Run, rows: int, length: int) -> int:
    """Bytes of the tensors that autograd keeps in a forward pass, without weights, copies of the adapter and logits."""
    adapted, sizes = model(run), {}
    frozen = {weight.untyped_storage().data_ptr() for weight in adapted.parameters()}
    of_adapter = {tuple(weight.shape) for weight in adapted.parameters() if weight.requires_grad}
    of_adapter |= {shape[::-1] for shape in of_adapter}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in frozen and tuple(tensor.shape) not in of_adapter and CONFIG.vocab_size not in tensor.shape:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    ids = torch.randint(0, CONFIG.vocab_size, (rows, length))
    computed = torch.autocast("cpu", torch.bfloat16) if run.bf16 else nullcontext()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor), computed:
        adapted(input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids)
    return sum(sizes.values())


@pytest.mark.parametrize(
    ("modules", "bf16", "dropout", "length"),
    [(ATTENTION, True, True, 128), (ALL, True, True, 640), (ALL, False, True, 128), (("q_proj", "v_proj"), True, False, 640)],
)
def test_the_plan_counts_what_autograd_keeps(modules: tuple[str, ...], bf16: bool, dropout: bool, length: int) -> None:
    run = Run(False, bf16, False, 8, modules, dropout, "adamw_torch", False, 1)
    assert activations(SHAPE, run, Batch(2, length, 2 * length, length)) == pytest.approx(kept(run, 2, length), rel=0.02)


def test_with_checkpoints_only_the_inputs_of_layers_stay() -> None:
    run = Run(False, True, False, 8, ATTENTION, True, "adamw_torch", True, 1)
    batch = Batch(2, 640, 1280, 640)
    again = activations(SHAPE, Run(False, True, False, 8, ATTENTION, True, "adamw_torch", False, 1), batch)
    one_layer = (again - 4 * 1280 * 96) / CONFIG.num_hidden_layers
    assert activations(SHAPE, run, batch) - one_layer == pytest.approx(kept(run, 2, 640), rel=0.05)


@pytest.mark.parametrize(("chats", "size"), [(121, 8), (40, 8), (5, 8), (1000, 4)])
def test_chats_are_grouped_by_length_as_transformers_groups_them(chats: int, size: int) -> None:
    draw = random.Random(chats)
    lengths = draw.sample(range(50, 5000), chats)
    order = torch.randperm(chats, generator=torch.Generator().manual_seed(3)).tolist()
    assert grouped(lengths, size, order) == get_length_grouped_indices(lengths, size, generator=torch.Generator().manual_seed(3))
