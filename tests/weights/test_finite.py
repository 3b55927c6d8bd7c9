import bitsandbytes
import pytest
import torch
from torch import nn

from stages.weights.finite import broken_weight
from tests.weights.tiny import tiny_model


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_first_weight_that_is_no_number_is_named_with_how_many_there_are(bad, dtype):
    model = tiny_model().to(dtype)
    assert broken_weight(model) is None
    with torch.no_grad():
        model.model.layers[2].mlp.up_proj.weight[5, :3] = bad
    assert broken_weight(model) == "model.layers.2.mlp.up_proj.weight has 3 of 2048 values that are NaN or infinite"


def test_a_weight_in_four_bits_is_not_taken_for_a_broken_one():
    """Axolotl has its bits kept as bfloat16, many of which read as NaN."""
    stored = torch.full((2048,), 0x7FC1, dtype=torch.int16).view(torch.bfloat16)
    assert not torch.isfinite(stored).any()
    layer = nn.Module()
    layer.weight = bitsandbytes.nn.Params4bit(stored, requires_grad=False, quant_storage=torch.bfloat16, bnb_quantized=True)
    assert broken_weight(layer) is None


def test_weights_that_are_not_on_this_process_are_left_out():
    with torch.device("meta"):
        assert broken_weight(nn.Linear(2, 2)) is None
