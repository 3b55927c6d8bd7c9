"""Whether a model's files belong together, on the tiny model's own files (an adapter of the right shapes is written by hand: no training is needed for shapes)."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import pytest

from stages.common.errors import UserError
from stages.common.files import sha256
from tools.serve import fit

LAYER = "model.layers.0.self_attn.q_proj"


def safetensors(path: Path, tensors: dict[str, tuple[int, ...]]) -> None:
    """A file of zeros in float32, in the format's own layout."""
    header, at = {}, 0
    for name, shape in tensors.items():
        size = 4
        for side in shape:
            size *= side
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(at))


@pytest.fixture
def base(tiny_base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_base, tmp_path / "base"))


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    """An adapter of rank 4 for one layer of the base."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    rows, columns = fit.shapes(base)[f"{LAYER}.weight"]
    lora(folder, rows, columns)
    (folder / "adapter_config.json").write_text(json.dumps({"r": 4, "base_model_name_or_path": "models/base"}))
    for name in fit.AS_IS:
        shutil.copyfile(base / name, folder / name)
    return folder


def lora(folder: Path, rows: int, columns: int, layer: str = LAYER) -> None:
    safetensors(
        folder / "adapter_model.safetensors", {f"base_model.model.{layer}.lora_A.weight": (4, columns), f"base_model.model.{layer}.lora_B.weight": (rows, 4)}
    )


def refused(adapter: Path, base: Path) -> str:
    with pytest.raises(UserError) as error:
        fit.adapter_fits(adapter, base, base)
    return str(error.value)


def test_an_adapter_of_this_base_fits(adapter: Path, base: Path) -> None:
    fit.adapter_fits(adapter, base, base)


@pytest.mark.parametrize("config", [[], None, "x", {"r": "16"}, {"r": None}, {}])
def test_a_config_that_is_none_is_refused(adapter: Path, base: Path, config: object) -> None:
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    assert "expected an object with the rank as `r`" in refused(adapter, base)


@pytest.mark.parametrize("pattern", ["x", ["a"], {"a": "b"}])
def test_ranks_by_name_that_are_none_are_refused(adapter: Path, base: Path, pattern: object) -> None:
    (adapter / "adapter_config.json").write_text(json.dumps({"r": 4, "base_model_name_or_path": "models/base", "rank_pattern": pattern}))
    assert "expected an object of names and ranks" in refused(adapter, base)


def test_a_rank_that_the_matrices_have_not_is_refused(adapter: Path, base: Path) -> None:
    (adapter / "adapter_config.json").write_text(json.dumps({"r": 8, "base_model_name_or_path": "models/base"}))
    assert "has matrices of rank 4, adapter_config.json says 8" in refused(adapter, base)


def test_an_adapter_of_another_width_is_refused_with_both_sizes(adapter: Path, base: Path) -> None:
    rows, columns = fit.shapes(base)[f"{LAYER}.weight"]
    lora(adapter, rows, 2 * columns)
    assert f"{LAYER}.weight would be {rows} x {2 * columns}, and ./models/tiny has {rows} x {columns}" in refused(adapter, base)


def test_an_adapter_for_a_layer_that_the_base_has_not_is_refused(adapter: Path, base: Path) -> None:
    lora(adapter, 8, 8, "model.layers.99.self_attn.q_proj")
    assert "model.layers.99.self_attn.q_proj.weight would be 8 x 8, and ./models/tiny has none" in refused(adapter, base)


def test_an_adapter_that_names_another_base_is_refused(adapter: Path, base: Path) -> None:
    (adapter / "adapter_config.json").write_text(json.dumps({"r": 4, "base_model_name_or_path": "org/other"}))
    assert "trained on org/other, and models/base is ./models/tiny" in refused(adapter, base)


def test_an_adapter_with_whole_modules_is_refused(adapter: Path, base: Path) -> None:
    for modules in (["lm_head"], ["lm_head", 1]):
        (adapter / "adapter_config.json").write_text(json.dumps({"r": 4, "base_model_name_or_path": "models/base", "modules_to_save": modules}))
        assert "holds whole modules beside LoRA (['lm_head'" in refused(adapter, base)


@pytest.mark.parametrize("name", fit.AS_IS)
def test_an_adapter_with_another_template_or_tokenizer_is_refused(adapter: Path, base: Path, name: str) -> None:
    (adapter / name).write_text((adapter / name).read_text() + " ")
    assert name in refused(adapter, base)


@pytest.mark.parametrize("content", [b"", b"\x00" * 8, b"PK\x03\x04" + bytes(100), struct.pack("<Q", 2**60) + b"{}", struct.pack("<Q", 4) + b"null"])
def test_weights_that_are_none_are_refused(adapter: Path, base: Path, content: bytes) -> None:
    (adapter / "adapter_model.safetensors").write_bytes(content)
    assert any(said in refused(adapter, base) for said in ("no safetensors file", "it is not whole", "no LoRA weights"))


def test_half_a_file_of_weights_is_refused(adapter: Path, base: Path) -> None:
    path = adapter / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert "it is not whole" in refused(adapter, base)


def test_a_qlora_is_refused_since_the_base_here_is_not_the_one_it_was_trained_on(adapter: Path, base: Path) -> None:
    (adapter / "axolotl.yaml").write_text("%YAML 1.1\n---\nadapter: lora\n")
    fit.adapter_fits(adapter, base, base)
    (adapter / "axolotl.yaml").write_text("%YAML 1.1\n---\nadapter: qlora\n")
    assert refused(adapter, base).endswith("serve the merged model")


def test_a_folder_without_an_adapter_is_refused(base: Path, tmp_path: Path) -> None:
    assert "no adapter" in refused(tmp_path / "nowhere", base)


def test_the_tiny_model_itself_is_whole(base: Path) -> None:
    fit.whole(base)


@pytest.mark.parametrize("name", fit.NEEDED)
def test_a_model_that_lacks_a_file_is_refused(base: Path, name: str) -> None:
    (base / name).unlink()
    with pytest.raises(UserError, match=f"{name} missing"):
        fit.whole(base)


def test_a_file_that_is_not_as_its_sum_says_is_refused(base: Path) -> None:
    (base / fit.SUMS).write_text("".join(f"{sha256(path)}  {path.name}\n" for path in sorted(base.iterdir())))
    fit.whole(base)
    (base / "chat_template.jinja").write_text("{{ messages }}")
    with pytest.raises(UserError, match="chat_template.jinja: not as .*SHA256SUMS has it"):
        fit.whole(base)


def test_a_tokenizer_with_more_words_than_the_weights_have_rows_is_refused(base: Path) -> None:
    tokenizer = json.loads((base / "tokenizer.json").read_text())
    tokenizer["added_tokens"].append({"id": 10**6, "content": "<late>"})
    (base / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(UserError, match="the tokenizer has ids up to 1000000"):
        fit.whole(base)
