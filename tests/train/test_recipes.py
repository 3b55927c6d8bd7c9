"""Every recipe renders, and Axolotl's own schema takes what is rendered, key by key; so a wrong key in a recipe fails here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stages.common import environments
from stages.common.errors import UserError
from stages.train.config import render
from stages.train.launch import Launch
from tools import recipe

ROOT = Path(__file__).resolve().parents[2]
PARAMS = (ROOT / "params.yaml").read_text(encoding="utf-8")
RECIPES = recipe.read_all()
BY_NAME = {one.name: one for one in RECIPES}
QUANTIZED = ["llama-3.1-70b-qlora-8x80gb", "llama-3.1-8b-qlora-16gb"]
SEVENTY = QUANTIZED[0]
# As in the files that Axolotl brings for it; "auto" is the trainer's own value.
ZERO_2 = {
    "zero_optimization": {"stage": 2, "overlap_comm": True},
    "bf16": {"enabled": True},
    "gradient_accumulation_steps": "auto",
    "train_batch_size": "auto",
    "train_micro_batch_size_per_gpu": "auto",
}


def rendered(name: str, gpu: bool, **axolotl: Any) -> dict:
    """The config of a recipe, with other keys of Axolotl's where some are named."""
    values = recipe.parsed(recipe.applied(PARAMS, BY_NAME[name], RECIPES))
    return render(values | {"axolotl": values["axolotl"] | axolotl}, "models/base", "/scratch/run", True, gpu)


def lost(asked: Mapping, found: Mapping, above: str = "") -> list[str]:
    """The keys of `asked`, dotted, whose value `found` does not have: Axolotl drops a key that it does not know without a word."""
    names: list[str] = []
    for name, value in asked.items():
        if isinstance(value, Mapping) and isinstance(found.get(name), Mapping):
            names += lost(value, found[name], f"{above}{name}.")
        elif found.get(name) != value and not (value is None and name not in found):
            names.append(f"{above}{name}")
    return names


def ask(folder: Path, *asked: tuple[dict, int]) -> list[dict]:
    """Axolotl's answers to (config, GPUs)."""
    done = subprocess.run(
        [environments.python("train"), "tests/train/axolotl_says.py", str(folder / "said.json")],
        cwd=ROOT,
        env=environments.silent(PYTHONPATH=str(ROOT)),
        input=json.dumps(asked),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "said.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """Of each recipe and each broken one: Axolotl's answer. One child for all: the import takes ten seconds."""
    fsdp = rendered(SEVENTY, True)["fsdp_config"]
    cases = {one.name: rendered(one.name, one.name != recipe.DEFAULT) for one in RECIPES} | {
        "by Ray": rendered("llama-3.1-8b-lora-80gb", True) | Launch("ray", 8, 1, 0, gpu=True).keys,
        "by DeepSpeed": rendered("llama-3.1-8b-lora-80gb", True, deepspeed=ZERO_2),
        "a wrong key": rendered(SEVENTY, True, fsdp_versoin=2),
        "a wrong inner key": rendered(SEVENTY, True, fsdp_config=fsdp | {"reshard_after_forwards": True}),
        "a wrong value": rendered(SEVENTY, True, fsdp_config=fsdp | {"state_dict_type": "WHOLE"}),
        "bitsandbytes' optimizer under FSDP2": rendered(SEVENTY, True) | {"optimizer": "adamw_8bit"},
        "one process that quantizes for all": rendered(SEVENTY, True, fsdp_config=fsdp | {"cpu_ram_efficient_loading": True}),
        "qlora in 16 bits": rendered("llama-3.1-8b-qlora-16gb", True) | {"load_in_4bit": False},
        "no such optimizer": rendered("llama-3.1-8b-qlora-16gb", True) | {"optimizer": "paged_adam_8"},
    }
    gpus = {name: 8 if config.get("fsdp_version") else 1 for name, config in cases.items()}
    answers = ask(tmp_path_factory.mktemp("axolotl"), *((config, gpus[name]) for name, config in cases.items()))
    return {name: {"asked": config, **answer} for (name, config), answer in zip(cases.items(), answers, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(BY_NAME))
def test_axolotl_takes_a_recipe_and_drops_no_key_of_it(said: dict[str, dict], name: str) -> None:
    answer = said[name]
    assert "refused" not in answer, answer
    asked = {key: value for key, value in answer["asked"].items() if key not in ("datasets", "test_datasets")}
    assert lost(asked, answer["config"]) == []
    assert answer["config"]["attn_implementation"] == "sdpa"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["by Ray", "by DeepSpeed"])
def test_axolotl_takes_what_is_rendered_for_other_ways_to_use_several_gpus(said: dict[str, dict], name: str) -> None:
    answer = said[name]
    assert "refused" not in answer, answer
    assert lost({key: value for key, value in answer["asked"].items() if key not in {"datasets", "test_datasets"}}, answer["config"]) == []
    assert answer["config"]["use_ray"] is (name == "by Ray")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "key"), [("a wrong key", "fsdp_versoin"), ("a wrong inner key", "fsdp_config.reshard_after_forwards")])
def test_a_key_that_axolotl_does_not_know_would_be_found(said: dict[str, dict], name: str, key: str) -> None:
    assert key in lost(said[name]["asked"], said[name]["config"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a wrong value", "FULL_STATE_DICT"),
        ("bitsandbytes' optimizer under FSDP2", "FSDP2 not compatible"),
        ("one process that quantizes for all", "cpu_ram_efficient_loading"),
        ("qlora in 16 bits", "load_in_4bit"),
        ("no such optimizer", "paged_adam_8 is no optimizer"),
    ],
)
def test_what_axolotl_cannot_do_is_refused_by_its_schema(said: dict[str, dict], name: str, told: str) -> None:
    assert told in said[name]["refused"]


@pytest.mark.parametrize("name", QUANTIZED)
def test_qlora_loads_the_base_in_four_bits(name: str) -> None:
    assert rendered(name, gpu=True)["load_in_4bit"] is True


@pytest.mark.parametrize("name", [name for name in BY_NAME if name not in QUANTIZED])
def test_lora_does_not(name: str) -> None:
    assert "load_in_4bit" not in rendered(name, gpu=True)


@pytest.mark.parametrize("name", QUANTIZED)
def test_four_bits_on_a_cpu_are_refused_in_one_sentence(name: str) -> None:
    with pytest.raises(UserError, match="^params.yaml: adapter is qlora: a base in 4 bits needs a GPU, and nvidia-smi finds none here; set lora$"):
        rendered(name, gpu=False)


def test_bits_that_are_asked_for_by_axolotls_own_key_are_refused_alike() -> None:
    with pytest.raises(UserError, match="^params.yaml: axolotl.load_in_4bit is true: a base in 4 bits needs a GPU, .* leave it out$"):
        rendered(recipe.DEFAULT, False, load_in_4bit=True)
