"""Axolotl reads a config with our plugin in it, as at the start of a training: what its schema refuses is said in one sentence, and nothing is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from axolotl.cli.config import load_cfg

from stages.common.params import load
from stages.train.config import render
from stages.weights.settings import known, unknown

ROOT = Path(__file__).resolve().parents[2]


def refused(base: Path, folder: Path, **axolotl: object) -> str:
    """Why a training with these keys under `axolotl` gives up."""
    config = render({**load("train", ROOT), "axolotl": axolotl}, str(base), str(folder), bf16=False, gpu=False)
    (folder / "axolotl.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(SystemExit):
        load_cfg(folder / "axolotl.yaml")
    return json.loads((folder / "stopped.json").read_text())["reason"]


def test_a_key_that_axolotl_does_not_know_is_refused_with_the_one_that_was_meant(base, tmp_path):
    told = refused(base, tmp_path, loraplus_lr_ration=16)
    assert told.startswith("params.yaml: axolotl.loraplus_lr_ration is no key of Axolotl's (0.")
    assert told.endswith("in silence; did you mean loraplus_lr_ratio?")


def test_settings_that_exclude_each_other_are_refused_in_axolotls_own_words(base, tmp_path):
    told = refused(base, tmp_path, warmup_steps=5)
    assert told == "params.yaml: Axolotl refuses these settings: warmup_steps and warmup_ratio are mutually exclusive"


def test_a_value_of_another_type_is_refused_with_its_key_and_what_was_found(base, tmp_path):
    told = refused(base, tmp_path, adam_beta2="much")
    assert told.startswith("params.yaml: Axolotl refuses adam_beta2: Input should be a valid number") and told.endswith(", found 'much'")


def test_a_kind_of_attention_that_is_not_there_is_refused(base, tmp_path):
    assert "attn_implementation='sdp' is not accepted. Use the canonical name 'sdpa' instead" in refused(base, tmp_path, attn_implementation="sdp")


def test_what_the_pipeline_renders_is_known(base, tmp_path):
    config = render({**load("train", ROOT), "sample_packing": True}, str(base), str(tmp_path), bf16=False, gpu=False)
    assert unknown(config, known()) is None
    assert "model_type" in known(), "another name of type_of_model"


def test_a_key_that_is_like_none_is_to_be_left_out():
    assert str(unknown({"qqqqzzzz": 1}, known())).endswith("in silence; leave it out")
