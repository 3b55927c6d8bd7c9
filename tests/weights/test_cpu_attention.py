import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from stages.weights import cpu_attention
from stages.weights.cpu_attention import LONGEST, NAME, use_two_products
from stages.weights.cpu_training import drop_mask_of_padding_behind
from tests.weights.tiny import tiny_model


@pytest.fixture
def kernel_calls(monkeypatch):
    """How often torch's own kernel was asked instead."""
    calls, kernel = [], cpu_attention.sdpa_attention_forward
    monkeypatch.setattr(cpu_attention, "sdpa_attention_forward", lambda *args, **options: calls.append(1) or kernel(*args, **options))
    return calls


def pair(seed=0):
    """The same tiny model twice: with torch's kernel, and with two products. Four heads look at two."""
    ours = tiny_model(seed)
    use_two_products(ours)
    drop_mask_of_padding_behind(ours)
    assert ours.config._attn_implementation == NAME
    return tiny_model(seed), ours


def loss_and_gradients(model, **batch):
    model.zero_grad()
    model(**batch).loss.backward()
    return torch.cat([weight.grad.flatten() for weight in model.parameters()])


def test_logits_are_those_of_torchs_kernel(kernel_calls):
    ids = torch.randint(3, 200, (3, 40), generator=torch.Generator().manual_seed(1))
    theirs, ours = pair()
    assert torch.allclose(theirs(input_ids=ids).logits, ours(input_ids=ids).logits, atol=1e-4)
    assert not kernel_calls


def test_gradients_are_those_of_torchs_kernel_with_padding_behind_the_words_too(kernel_calls):
    ids = torch.randint(3, 200, (2, 40), generator=torch.Generator().manual_seed(2))
    labels, mask = ids.clone(), torch.ones_like(ids)
    mask[1, 25:] = 0
    labels[1, 25:] = -100
    theirs, ours = (loss_and_gradients(model, input_ids=ids, labels=labels, attention_mask=mask) for model in pair())
    assert torch.allclose(theirs, ours, atol=1e-4 * theirs.abs().max().item())
    assert not kernel_calls


@pytest.mark.parametrize("mask", [[0, 0, 1, 1, 1, 1], [1, 1, 0, 1, 1, 1]], ids=["padding in front", "a hole"])
def test_any_other_mask_goes_to_torchs_kernel(mask, kernel_calls):
    ids = torch.randint(3, 200, (1, 6), generator=torch.Generator().manual_seed(3))
    theirs, ours = pair()
    found = [model(input_ids=ids, attention_mask=torch.tensor([mask])).logits[0, -3:] for model in (theirs, ours)]
    assert torch.allclose(*found, atol=1e-5)
    assert len(kernel_calls) == 4


def test_packed_texts_told_by_their_positions_do_not_see_each_other(kernel_calls):
    ids = torch.randint(3, 200, (1, 12), generator=torch.Generator().manual_seed(4))
    _, ours = pair()
    positions = torch.tensor([[*range(6), *range(6)]])
    packed = ours(input_ids=ids, position_ids=positions, attention_mask=torch.ones_like(ids), use_cache=False).logits[0, 6:]
    assert torch.allclose(packed, ours(input_ids=ids[:, 6:]).logits[0], atol=1e-4)
    assert len(kernel_calls) == 4


def test_a_text_longer_than_the_bound_goes_to_torchs_kernel(kernel_calls):
    ids = torch.full((1, LONGEST + 1), 7)
    _, ours = pair()
    ours(input_ids=ids)
    assert len(kernel_calls) == 4
    ours(input_ids=ids[:, 1:])
    assert len(kernel_calls) == 4


def test_generation_one_token_at_a_time_says_what_torchs_kernel_says():
    theirs, ours = pair()
    told = [model.generate(torch.tensor([[5, 6, 7, 8]]), max_new_tokens=12, do_sample=False, eos_token_id=None).tolist() for model in (theirs, ours)]
    assert told[0] == told[1]


def test_another_kind_of_attention_stays():
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=20, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, attn_implementation="eager")
    )
    use_two_products(model)
    assert model.config._attn_implementation == "eager"
