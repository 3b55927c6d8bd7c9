"""Whether a model's files belong together: base and adapter, weights and tokenizer, template and end of turn."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import read_json, sha256
from stages.common.params import read_yaml
from stages.merge.sums import SUMS

NEEDED = ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
AS_IS = ("tokenizer.json", "chat_template.jinja")  # one server has one of each, for the base and all adapters


def shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Every tensor's shape by its name, from the headers of the folder's safetensors files (huggingface.co/docs/safetensors: 8 bytes of length, then JSON).

    Raises UserError where a file is none, or shorter than its header says.
    """
    found: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with open(path, "rb") as file:
            try:
                (length,) = struct.unpack("<Q", file.read(8))
                header = json.loads(file.read(min(length, 100_000_000)))
                tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
                whole = 8 + length + max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
            except (struct.error, ValueError, KeyError, AttributeError, TypeError):
                raise UserError(f"{path}: no safetensors file") from None
        if path.stat().st_size != whole:
            raise UserError(
                f"{path}: has {path.stat().st_size} bytes, its own header says {whole}: it is not whole; fetch it anew (`dvc checkout`, `dvc pull`)"
            )
        found |= {name: tuple(entry["shape"]) for name, entry in tensors.items()}
    return found


def whole(folder: Path) -> None:
    """Raise UserError where a model that is served alone lacks a file, or one is not as SHA256SUMS has it."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; `dvc repro merge` makes it, `dvc pull {folder}` fetches it")
    if missing := [name for name in NEEDED if not (folder / name).is_file()]:
        raise UserError(f"{folder}: {', '.join(missing)} missing; expected what the merge stage writes")
    tensors = shapes(folder)
    if not tensors:
        raise UserError(f"{folder}: no weights (*.safetensors)")
    if (folder / SUMS).exists():
        for line in (folder / SUMS).read_text(encoding="utf-8").splitlines():
            expected, _, name = line.partition("  ")
            if not (folder / name).is_file() or sha256(folder / name) != expected:
                raise UserError(f"{folder / name}: not as {folder / SUMS} has it: fetch the model anew (`dvc checkout`, `dvc pull`)")
    _vocabulary(folder, tensors)


def _vocabulary(folder: Path, tensors: Mapping[str, tuple[int, ...]]) -> None:
    tokenizer = read_json(folder / "tokenizer.json")
    vocabulary = tokenizer["model"].get("vocab", {})
    ids = [*(vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))), *(token["id"] for token in tokenizer.get("added_tokens", []))]
    rows = next((shape[0] for name, shape in tensors.items() if name.endswith("embed_tokens.weight")), None)
    if rows is not None and ids and max(ids) >= rows:
        raise UserError(f"{folder}: the tokenizer has ids up to {max(ids)}, the weights {rows} rows: not one model's")


def adapter_fits(adapter: Path, base: Path, weights: Path) -> None:
    """Raise UserError where an adapter was not trained on this base.

    `base` is models/base, `weights` where its weights lie. By the name in adapter_config.json, by the shapes of each pair of matrices (B·A is added to a weight of
    the base: rows of B by columns of A), by tokenizer and template byte for byte, since vLLM takes the base's and one template for all.
    """
    if not (adapter / "adapter_config.json").is_file():
        raise UserError(f"{adapter}: no adapter (adapter_config.json missing); `dvc repro train` makes one, `dvc pull {adapter}` fetches it")
    config, reference = read_json(adapter / "adapter_config.json"), read_json(base / "manifest.json")["reference"]
    if not isinstance(config, dict) or not isinstance(config.get("r"), int):
        raise UserError(f"{adapter}/adapter_config.json: expected an object with the rank as `r`, a whole number")
    named = config.get("base_model_name_or_path")
    if named not in ("models/base", reference):
        raise UserError(f"{adapter}: trained on {named}, and models/base is {reference}")
    if config.get("modules_to_save"):
        raise UserError(f"{adapter}: holds whole modules beside LoRA ({config['modules_to_save']}), which vLLM does not serve: merge it")
    patterns = config.get("rank_pattern") or {}
    if not isinstance(patterns, dict) or not all(isinstance(rank, int) for rank in patterns.values()):
        raise UserError(f"{adapter}/adapter_config.json: rank_pattern is {json.dumps(patterns)}; expected an object of names and ranks")
    if (adapter / "axolotl.yaml").is_file() and read_yaml(adapter / "axolotl.yaml").get("adapter") == "qlora":
        raise UserError(
            f"{adapter}: a QLoRA, which belongs to the base in 4 bits that its training saw, and not to the one served here: serve the merged model"
        )
    of_base, of_adapter = shapes(weights), shapes(adapter)
    pairs = {name.removesuffix(".lora_A.weight") for name in of_adapter if name.endswith(".lora_A.weight")}
    if not pairs:
        raise UserError(f"{adapter}: no LoRA weights (*.safetensors)")
    ranks = {config["r"], *patterns.values()}
    for pair in sorted(pairs):
        if (rank := of_adapter[f"{pair}.lora_A.weight"][0]) not in ranks:
            raise UserError(f"{adapter}: {pair.removeprefix('base_model.model.')} has matrices of rank {rank}, adapter_config.json says {config['r']}")
        name = pair.removeprefix("base_model.model.") + ".weight"
        added = (of_adapter.get(f"{pair}.lora_B.weight", (0,))[0], of_adapter[f"{pair}.lora_A.weight"][1])
        if of_base.get(name) != added:
            raise UserError(
                f"{adapter}: {name} would be {_by(added)}, and {reference} has {_by(of_base[name]) if name in of_base else 'none'}: not this base's"
            )
    for name in AS_IS:
        if not (adapter / name).is_file() or sha256(adapter / name) != sha256(base / name):
            raise UserError(f"{adapter / name}: not the base's ({base / name}), with which all of a server's models are asked")


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
