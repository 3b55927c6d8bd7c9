"""Merging for real: exact in float32, the same bytes each time, refused where the adapter is another model's; and a QLoRA's base as its training saw it."""

import json
import shutil

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from stages.common.errors import UserError
from stages.weights.merge import agreement, measured, merge
from stages.weights.models import log_probabilities, open_model
from stages.weights.rounded_base import Rounding, rounding
from stages.weights.tokenized import tokenize
from tests.weights.tiny import tiny_adapter, tiny_model, tiny_tokenizer

# The 16 values of NormalFloat, QLoRA (arXiv 2305.14314), appendix E.
NF4 = (
    "-1.0 -0.6961928009986877 -0.5250730514526367 -0.39491748809814453 -0.28444138169288635 -0.18477343022823334 -0.09105003625154495 0.0 "
    "0.07958029955625534 0.16093020141124725 0.24611230194568634 0.33791524171829224 0.44070982933044434 0.5626170039176941 0.7229568362236023 1.0"
)


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    """The tiny base in float32, an adapter of it, and the two merged."""
    folder = tmp_path_factory.mktemp("exact")
    tiny_model().save_pretrained(folder / "base")
    tiny_adapter(folder / "base", folder / "adapter")
    merge(str(folder / "base"), str(folder / "adapter"), str(folder / "merged"))
    return folder


def job(folder, chats, **changed):
    return {name: str(folder / name) for name in ("base", "adapter", "merged")} | {"chats": str(chats)} | changed


def test_in_float32_the_merged_model_says_exactly_what_base_and_adapter_say(exact, chats):
    found = measured(job(exact, chats))
    assert found["max_delta"] <= 1e-4 and found["top1_agreement"] == 1 and abs(found["perplexity_ratio"] - 1) <= 1e-4
    assert json.loads((exact / "merged/config.json").read_text())["dtype"] == "float32"
    apart = measured(job(exact, chats, merged=str(exact / "base")))
    assert apart["mean_delta"] > 0.1 and abs(apart["perplexity_ratio"] - 1) > 0.01


def test_perplexities_are_those_of_all_tokens_together(exact, chats):
    rows = tokenize(chats, exact / "adapter/axolotl.yaml", tiny_tokenizer()).values()
    model = open_model(str(exact / "merged"), dtype=torch.float32)
    losses = torch.cat([-log_probabilities(model, ids, labels)[0] for ids, labels in rows])
    found = measured(job(exact, chats))
    assert found["merged_perplexity"] == pytest.approx(losses.double().mean().exp().item(), rel=1e-5)
    assert found["perplexity_ratio"] == pytest.approx(found["merged_perplexity"] / found["adapter_perplexity"], rel=1e-5)


def test_a_ratio_tells_which_side_is_the_worse_one():
    one, other = ((torch.full((8,), float(-nats)), torch.zeros(8)) for nats in (1, 2))
    found = agreement([one], [other])
    assert (found["adapter_perplexity"], found["merged_perplexity"], found["perplexity_ratio"]) == (2.718282, 7.389056, 2.718282)


def test_a_second_merge_gives_the_same_bytes(base, adapter, tmp_path):
    for name in ("one", "other"):
        merge(str(base), str(adapter), str(tmp_path / name))
    one, other = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "other"))
    assert one == other and {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"} <= one.keys()


def test_the_template_is_the_one_that_was_trained_with(base, adapter, tmp_path):
    trained = shutil.copytree(adapter, tmp_path / "adapter")
    (trained / "chat_template.jinja").write_text("{# trained #}")
    merge(str(base), str(trained), str(tmp_path / "merged"))
    assert (tmp_path / "merged/chat_template.jinja").read_text() == "{# trained #}"


def changed(adapter, folder, change):
    """A copy of an adapter whose weights `change` has changed."""
    other = shutil.copytree(adapter, folder)
    weights = load_file(other / "adapter_model.safetensors")
    change(weights)
    save_file(weights, other / "adapter_model.safetensors")
    return str(other)


LAST = "base_model.model.model.layers.3.self_attn.q_proj.lora_B.weight"
STRANGERS = {
    "a wider model's": (lambda weights: weights.update({LAST: torch.zeros(64, 4)}), "size mismatch for base_model"),
    "one that lacks a matrix": (lambda weights: weights.pop(LAST), f"{LAST} is not in the adapter"),
    "a deeper model's": (
        lambda weights: weights.update({LAST.replace(".3.", ".4."): torch.zeros(32, 4)}),
        f"{LAST.replace('.3.', '.4.')} is no part of the model",
    ),
}


@pytest.mark.parametrize(("change", "said"), STRANGERS.values(), ids=STRANGERS)
def test_another_models_adapter_is_refused_in_one_sentence(base, adapter, tmp_path, change, said):
    other = changed(adapter, tmp_path / "other", change)
    with pytest.raises(UserError) as error:
        merge(str(base), other, str(tmp_path / "merged"))
    assert str(error.value).startswith(f"{other} is no adapter of this base model: ") and said in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "merged").exists()


def test_an_adapter_of_modules_that_the_base_lacks_is_refused_in_one_sentence(base, adapter, tmp_path):
    other = shutil.copytree(adapter, tmp_path / "other")
    config = json.loads((other / "adapter_config.json").read_text())
    (other / "adapter_config.json").write_text(json.dumps(config | {"target_modules": ["c_attn"]}))
    with pytest.raises(UserError, match="is no adapter of this base model: Target modules .*c_attn.* not found in the base model"):
        open_model(str(base), str(other))


def test_an_adapter_of_broken_numbers_is_refused_in_one_sentence(base, adapter, chats, tmp_path):
    other = changed(adapter, tmp_path / "adapter", lambda weights: weights[LAST].fill_(torch.nan))
    merge(str(base), other, str(tmp_path / "merged"))
    with pytest.raises(UserError, match=r"gives no probabilities that are numbers .*mean \|difference\| nan"):
        measured(job(tmp_path, chats, base=str(base)))


@pytest.fixture(scope="module")
def qlora(tmp_path_factory):
    """A base wide enough for bitsandbytes' kernels on a CPU, an adapter that says that it was trained on it in 4 bits, and the two merged."""
    folder = tmp_path_factory.mktemp("qlora")
    tiny_model(width=64, layers=2).to(torch.bfloat16).save_pretrained(folder / "base")
    tiny_adapter(folder / "base", folder / "adapter", adapter="qlora", load_in_4bit=True, bf16=True)
    merge(str(folder / "base"), str(folder / "adapter"), str(folder / "merged"))
    return folder


def rounded_by_hand(weight: torch.Tensor) -> torch.Tensor:
    """NF4 without double quantization: blocks of 64, each divided by its largest |weight|, to the nearest of 16 values. float32."""
    codes, blocks = torch.tensor([float(value) for value in NF4.split()]), weight.float().reshape(-1, 64)
    largest = blocks.abs().amax(1, keepdim=True)
    return (codes[(blocks / largest)[..., None].sub(codes).abs().argmin(-1)] * largest).reshape(weight.shape)


@pytest.mark.parametrize("shape", [(32, 32), (64, 64), (48, 96), (192, 576)])
def test_rounding_is_nf4_whatever_the_length_of_a_row(shape):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0)).bfloat16()
    by_hand = rounded_by_hand(weight)
    assert torch.equal(Rounding(torch.bfloat16, double=False).rounded(weight).float(), by_hand.bfloat16().float())
    off = (Rounding(torch.float32).rounded(weight) - by_hand).norm() / weight.float().norm()
    assert 0 < off < 0.01  # what the double quantization adds
    assert 0.08 < (by_hand - weight.float()).norm() / weight.float().norm() < 0.1


def test_a_qlora_is_merged_into_the_base_that_its_training_saw(qlora, chats):
    """Held to the base as transformers loads it in 4 bits for training, with the adapter on top and its products in float32."""
    four = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.float32,
    )
    loaded = AutoModelForCausalLM.from_pretrained(qlora / "base", quantization_config=four, dtype=torch.float32)
    assert type(loaded.model.layers[0].mlp.up_proj).__name__ == "Linear4bit"
    trained = PeftModel.from_pretrained(loaded, qlora / "adapter").eval()
    rows = list(tokenize(chats, qlora / "adapter/axolotl.yaml", tiny_tokenizer()).values())

    def said(model):
        return [log_probabilities(model, ids, labels) for ids, labels in rows]

    seen = said(trained)
    merged = agreement(seen, said(open_model(str(qlora / "merged"), dtype=torch.float32)))
    plain = PeftModel.from_pretrained(open_model(str(qlora / "base"), dtype=torch.float32), qlora / "adapter")
    naive = agreement(seen, said(plain))
    assert merged["mean_delta"] < naive["mean_delta"] / 10
    assert measured(job(qlora, chats))["mean_delta"] < 0.05 < naive["mean_delta"]


def test_of_a_qloras_base_the_linear_layers_are_rounded_and_nothing_else(qlora):
    base, merged = (load_file(qlora / name / "model.safetensors") for name in ("base", "merged"))
    assert {weight.dtype for weight in merged.values()} == {torch.bfloat16} and "quantization_config" not in json.loads(
        (qlora / "merged/config.json").read_text()
    )
    assert {name for name in base if not torch.equal(base[name], merged[name])} == {name for name in base if name.endswith("_proj.weight")}
    untargeted = "model.layers.1.mlp.up_proj.weight"
    assert torch.equal(merged[untargeted], Rounding(torch.bfloat16).rounded(base[untargeted]))


def test_a_base_is_rounded_where_the_adapters_config_says_so(qlora, adapter, tmp_path):
    assert rounding(qlora / "adapter") == Rounding(torch.bfloat16) and rounding(adapter) is None
    own = {"bnb_4bit_quant_type": "fp4", "bnb_4bit_use_double_quant": False, "llm_int8_skip_modules": ["lm_head", "down_proj"]}
    (tmp_path / "axolotl.yaml").write_text(json.dumps({"adapter": "qlora", "load_in_4bit": True, "bnb_config_kwargs": own}))
    assert rounding(tmp_path) == Rounding(torch.float32, "fp4", False, ["lm_head", "down_proj"])
    model, before = tiny_model(), tiny_model()
    rounding(tmp_path).round(model)
    assert torch.equal(model.model.layers[0].mlp.down_proj.weight, before.model.layers[0].mlp.down_proj.weight)
    assert not torch.equal(model.model.layers[0].mlp.up_proj.weight, before.model.layers[0].mlp.up_proj.weight)
    assert torch.equal(model.lm_head.weight, before.lm_head.weight)
