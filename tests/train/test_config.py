"""From params.yaml to the file that Axolotl reads, with the reader that Axolotl uses."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.common.errors import UserError
from stages.common.params import load
from stages.train.__main__ import write_yaml
from stages.train.config import DATASET, PASSED, precision, render

ROOT = Path(__file__).resolve().parents[2]
KERNELS = {"lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel", "lora_embedding_kernel"}


def params(**changed: Any) -> dict:
    """The project's own, as the train stage sees them."""
    own = load("train", ROOT)
    return {name: own[name] for name in own} | changed


def config(gpu: bool = False, bf16: bool = True, **changed: Any) -> dict:
    return render(params(**changed), "models/base", "/scratch/run", bf16, gpu)


def as_axolotl_reads(folder: Path, value: dict) -> dict:
    write_yaml(folder / "axolotl.yaml", value)
    return yaml.safe_load((folder / "axolotl.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PASSED)
def test_a_parameter_under_axolotls_name_goes_through_unchanged(name: str) -> None:
    mark = f"this very {name}"
    assert config(bf16=False, **{name: mark})[name] == mark


def test_every_parameter_of_the_stage_reaches_axolotl_by_some_way() -> None:
    assert set(params()) - set(PASSED) == {"lora_alpha", "bf16", "axolotl", "train.keep", "train.patience", "train.launcher", "train.processes", "train.hosts"}


@pytest.mark.parametrize(("rank", "alpha", "rendered"), [(16, None, 32), (8, None, 16), (32, None, 64), (16, 16, 16), (32, 1, 1)])
def test_alpha_is_twice_the_rank_unless_it_is_given(rank: int, alpha: int | None, rendered: int) -> None:
    assert config(lora_r=rank, lora_alpha=alpha)["lora_alpha"] == rendered


def test_any_other_key_of_axolotls_passes_through() -> None:
    rendered = config(axolotl={"loraplus_lr_ratio": 16, "adam_beta2": 0.95, "plugins_off": None})
    assert (rendered["loraplus_lr_ratio"], rendered["adam_beta2"]) == (16, 0.95)


def test_a_key_under_axolotl_wins_over_what_dramatis_sets() -> None:
    rendered = config(axolotl={"attn_implementation": "eager", "logging_steps": 5, "lora_mlp_kernel": True})
    assert [rendered[name] for name in ("attn_implementation", "logging_steps", "lora_mlp_kernel")] == ["eager", 5, True]


@pytest.mark.parametrize("name", ["lora_r", "lora_alpha", "learning_rate", "bf16"])
def test_a_key_under_axolotl_that_has_a_parameter_of_its_own_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"^params.yaml: axolotl.{name} is 7; {name} is a parameter of its own: set that$"):
        config(axolotl={name: 7})


def test_plugins_that_are_no_list_are_refused() -> None:
    with pytest.raises(UserError, match="axolotl.plugins is 'abc'; expected a list"):
        config(axolotl={"plugins": "abc"})


@pytest.mark.parametrize("name", ["base_model", "datasets", "test_datasets", "output_dir", "dataset_prepared_path"])
def test_no_key_under_axolotl_moves_a_path(name: str) -> None:
    with pytest.raises(UserError, match=f"axolotl.{name} cannot be set: the pipeline says what is read and written"):
        config(axolotl={name: "/somewhere/else"})


def test_the_paths_are_the_splits_the_base_and_the_runs_own_folder() -> None:
    rendered = config()
    assert rendered["base_model"] == "models/base"
    assert (rendered["output_dir"], rendered["dataset_prepared_path"]) == ("/scratch/run", "/scratch/run/prepared")
    assert [data["path"] for data in rendered["datasets"]] == ["data/splits/train.jsonl"]
    assert [data["path"] for data in rendered["test_datasets"]] == ["data/splits/validation.jsonl"]
    assert "test.jsonl" not in str(rendered)
    assert rendered["val_set_size"] == 0


def test_training_and_validation_render_chats_alike_and_train_on_the_characters_turns_only() -> None:
    rendered = config()
    for data in (*rendered["datasets"], *rendered["test_datasets"]):
        assert {name: data[name] for name in DATASET} == DATASET
    assert DATASET["roles_to_train"] == ["assistant"] and DATASET["roles"]["assistant"] == ["gpt"]
    assert rendered["train_on_inputs"] is False


def test_the_same_parameters_give_the_same_config_and_are_not_changed_by_it() -> None:
    given = params(axolotl={"logging_steps": 5})
    before = repr(given)
    assert render(given, "b", "s", True, False) == render(given, "b", "s", True, False)
    assert repr(given) == before


@pytest.mark.parametrize(
    ("wanted", "gpu", "flags", "bf16"),
    [
        ("auto", False, set(), False),
        ("auto", False, {"avx2", "avx512f"}, False),
        ("auto", False, {"avx512_bf16"}, True),
        ("auto", False, {"amx_bf16"}, True),
        ("auto", True, set(), True),
        ("auto", True, {"avx512_bf16"}, True),
        (True, False, set(), True),
        (True, True, set(), True),
        (False, True, {"avx512_bf16"}, False),
        (False, False, {"amx_bf16"}, False),
    ],
)
def test_bfloat16_is_what_was_asked_for_and_with_auto_what_the_machine_has(wanted: bool | str, gpu: bool, flags: set[str], bf16: bool) -> None:
    assert precision(wanted, gpu, flags) is bf16


@pytest.mark.parametrize("bf16", [True, False])
def test_the_config_names_the_precision(bf16: bool) -> None:
    assert config(bf16=bf16)["bf16"] is bf16


def test_triton_kernels_are_off_on_a_cpu_and_left_to_axolotl_on_a_gpu() -> None:
    assert {name for name, value in config(gpu=False).items() if name in KERNELS and value is False} == KERNELS
    assert set(config(gpu=True)) & KERNELS == set()
    assert (config(gpu=False)["dataloader_pin_memory"], config(gpu=True)["dataloader_pin_memory"]) == (False, True)


@pytest.mark.parametrize(
    ("flash", "gpu", "bf16", "used"),
    [
        (True, True, True, "flash_attention_2"),
        (False, True, True, "sdpa"),
        (True, False, True, "sdpa"),  # installed, and nothing to run it on
        (True, True, False, "sdpa"),  # its kernels know 16 bits alone
    ],
)
def test_flash_attention_is_used_where_it_is_installed_and_can_run(flash: bool, gpu: bool, bf16: bool, used: str) -> None:
    assert render(params(), "models/base", "/scratch/run", bf16, gpu, flash)["attn_implementation"] == used


@pytest.mark.parametrize("gpu", [True, False])
def test_packing_leaves_no_chat_out_and_takes_the_place_of_grouping(gpu: bool) -> None:
    rendered = render(params(sample_packing=True), "models/base", "/scratch/run", gpu, gpu, flash=True)
    assert rendered["sample_packing"] is True and rendered["group_by_length"] is False
    assert rendered["eval_sample_packing"] is False  # a small set does not fill a batch: Axolotl raises
    assert (rendered["multipack_real_batches"], rendered["dataloader_drop_last"]) == (False, False)
    assert rendered["pad_to_sequence_len"] is gpu


def test_without_packing_chats_are_grouped_and_nothing_is_said_of_packing() -> None:
    assert config()["group_by_length"] is True
    assert not {"pad_to_sequence_len", "multipack_real_batches", "dataloader_drop_last"} & config().keys()


def test_the_projects_own_config_reads_back_as_it_was_rendered(tmp_path: Path) -> None:
    assert as_axolotl_reads(tmp_path, config()) == config()


@pytest.mark.parametrize("number", [1e-05, 2e-4, 1e-3, 5e-324, 1e22, 3.0, 0.1, -0.0, 0, 1895, True, False, None])
def test_a_number_stays_the_number_it_is(tmp_path: Path, number: Any) -> None:
    read = as_axolotl_reads(tmp_path, {"value": number})["value"]
    assert (read, type(read)) == (number, type(number))


@pytest.mark.parametrize(
    "text",
    ["no", "yes", "on", "Off", "null", "~", "1e-05", "1e-3", "12:30", "0x1F", "017", "2024-01-01", "=", "", " x", "a: b", "# x", "{{ x }}", "é\n–"],
)
def test_a_text_stays_the_text_it_is(tmp_path: Path, text: str) -> None:
    assert as_axolotl_reads(tmp_path, {"value": text, "list": [text]}) == {"value": text, "list": [text]}


def test_an_exponent_without_a_dot_in_params_reaches_axolotl_as_a_number(tmp_path: Path) -> None:
    """PyYAML takes `1e-3` for text: YAML 1.1 wants the dot. params.yaml is read as YAML 1.2."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    own = (tmp_path / "params.yaml").read_text(encoding="utf-8")
    line = next(line for line in own.splitlines() if line.startswith("learning_rate:"))
    changed = own.replace(line, "learning_rate: 2e-5").replace("axolotl: {}", "axolotl: {adam_epsilon: 1e-8, lr_groups: [no, 'no']}")
    (tmp_path / "params.yaml").write_text(changed, encoding="utf-8")
    read = as_axolotl_reads(tmp_path, render(load("train", tmp_path), "models/base", "scratch", True, False))
    assert (read["learning_rate"], read["adam_epsilon"], read["lr_groups"]) == (2e-05, 1e-08, ["no", "no"])
