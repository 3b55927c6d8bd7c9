"""What cannot be trained or served is refused in one sentence, each by its own rule; what can be is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.common.errors import UserError
from stages.common.params import load
from stages.train import refusals
from stages.train.config import render

PARAMS = load("train", Path(__file__).resolve().parents[2])
OWN = {name: PARAMS[name] for name in PARAMS}


def rendered(gpu: bool = False, bf16: bool = True, flash: bool = False, axolotl: dict | None = None, **changed: Any) -> dict:
    return render(OWN | changed | {"axolotl": axolotl or {}}, "models/base", "/scratch/run", bf16, gpu, flash)


# Of each rule: its key, what provokes it, and what the sentence names that is to be set instead.
BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("adapter", {"adapter": "qlora"}, "set lora"),
    ("load_in_4bit", {"axolotl": {"load_in_4bit": True}}, "leave it out"),
    ("attn_implementation", {"axolotl": {"attn_implementation": "flash_attention_2"}}, "sdpa"),
    ("attn_implementation", {"axolotl": {"attn_implementation": "flex_attention"}}, "sdpa"),
    ("fp16", {"gpu": True, "axolotl": {"fp16": True}}, "set bf16: false"),
    ("sample_packing", {"sample_packing": True}, "group_by_length: true"),
    ("sample_packing", {"gpu": True, "sample_packing": True}, "install flash-attn"),
    ("sample_packing", {"gpu": True, "sample_packing": True, "axolotl": {"attn_implementation": "fp8"}}, "expected flash_attention_2"),
    ("lora_modules_to_save", {"axolotl": {"lora_modules_to_save": ["embed_tokens"]}}, "lora_target_modules"),
    ("peft_use_dora", {"axolotl": {"peft_use_dora": True}}, "leave it out"),
    ("peft_layer_replication", {"axolotl": {"peft_layer_replication": [[0, 4], [2, 5]]}}, "leave it out"),
    ("peft_init_lora_weights", {"axolotl": {"peft_init_lora_weights": "pissa"}}, "expected true, false or one of gaussian"),
    ("peft", {"axolotl": {"peft": {"loftq_config": {"loftq_bits": 4}}}}, "leave it out"),
    ("peft_trainable_token_indices", {"axolotl": {"peft_trainable_token_indices": [7]}}, "leave it out"),
]
CAN_BE: list[dict[str, Any]] = [
    {},
    {"gpu": True, "adapter": "qlora"},
    {"gpu": True, "axolotl": {"load_in_4bit": True}},
    {"axolotl": {"load_in_8bit": True}},  # bitsandbytes 0.50 does it on a CPU
    {"gpu": True, "axolotl": {"attn_implementation": "flash_attention_2"}},
    {"gpu": True, "sample_packing": True, "axolotl": {"attn_implementation": "flex_attention"}},
    {"bf16": False, "axolotl": {"fp16": True}},
    {"gpu": True, "flash": True, "sample_packing": True},
    {"bf16": False, "sample_packing": True},
    {"sample_packing": True, "axolotl": {"attn_implementation": "eager"}},
    {"gpu": True, "sample_packing": True, "gradient_checkpointing": True, "flash": True},
    {"axolotl": {"lora_modules_to_save": None, "peft_use_dora": False, "peft_init_lora_weights": True, "rl": None, "peft": {}}},
    {"axolotl": {"peft_init_lora_weights": "gaussian", "peft_use_rslora": True, "loraplus_lr_ratio": 16, "lora_rank_pattern": {"q_proj": 8}}},
    {"optimizer": "paged_adamw_8bit"},  # bitsandbytes 0.50 does it on a CPU
    {"save_steps": 0.1, "eval_steps": 0.25},  # each evaluation is saved, whatever save_steps says
]


@pytest.mark.parametrize(("key", "settings", "instead"), BROKEN)
def test_what_cannot_be_done_is_refused_with_the_key_its_value_and_what_to_set(key: str, settings: dict[str, Any], instead: str) -> None:
    where = f"axolotl.{key}" if key in settings.get("axolotl", {}) else key
    with pytest.raises(UserError, match=f"^params.yaml: {where} is .+: .+{instead}") as told:
        rendered(**settings)
    assert "\n" not in str(told.value)


def test_every_rule_has_something_that_it_alone_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the rule nothing stops what the rule is there for."""
    stops = dict.fromkeys(refusals.RULES, 0)
    every = refusals.RULES
    for _, settings, _ in BROKEN:
        for rule in every:
            monkeypatch.setattr(refusals, "RULES", tuple(other for other in every if other is not rule))
            try:
                rendered(**settings)
            except UserError:
                continue
            stops[rule] += 1
    assert [rule.key for rule, count in stops.items() if not count] == []


@pytest.mark.parametrize("settings", CAN_BE)
def test_what_can_be_done_is_not_refused(settings: dict[str, Any]) -> None:
    rendered(**settings)


HELD = [(key, why) for why, keys in refusals.HELD.items() for key in keys]


@pytest.mark.parametrize(("key", "why"), HELD)
def test_a_key_that_the_pipeline_keeps_to_itself_is_refused_with_the_reason(key: str, why: str) -> None:
    with pytest.raises(UserError) as told:
        rendered(axolotl={key: "x"})
    assert str(told.value) == f"params.yaml: axolotl.{key} is x: {why}"


@pytest.mark.parametrize("key", [key for key, _ in HELD])
@pytest.mark.parametrize("nothing", [None, False])
def test_such_a_key_that_asks_for_nothing_is_let_pass(key: str, nothing: bool | None) -> None:
    rendered(axolotl={key: nothing})


def test_what_the_pipeline_sets_itself_is_not_taken_for_the_users() -> None:
    """chat_template, save_total_limit and load_best_model_at_end stand in every config."""
    assert {"chat_template", "save_total_limit", "load_best_model_at_end"} <= rendered().keys()


@pytest.mark.parametrize(("value", "shown"), [(True, "true"), ("x", "x"), (3, "3")])
def test_the_value_is_shown_as_params_yaml_has_it(value: object, shown: str) -> None:
    with pytest.raises(UserError, match=f"axolotl.rl is {shown}: "):
        rendered(axolotl={"rl": value})
