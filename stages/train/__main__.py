"""Renders an Axolotl config from the parameters, runs Axolotl in its own environment, and keeps adapter, config, tokenizer and template."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ruamel.yaml import YAML

from stages.common import base_models, chats, children, environments
from stages.common.errors import UserError, run
from stages.common.files import new_folder, read_json, sha256, write_json, write_text
from stages.common.params import load
from stages.train import axolotl, progress
from stages.train.config import precision, render

SPLITS = {"train": "data/splits/train.jsonl", "validation": "data/splits/validation.jsonl"}
BASE = "models/base"


def main() -> None:
    children.end_with_caller()
    params = load("train")
    handed = {name: len(chats.read(path)) for name, path in SPLITS.items()}
    gpu = environments.has_gpu()
    bf16 = precision(params["bf16"], gpu, cpu_flags())
    with scratch_folder(params, bf16) as scratch:
        config = scratch / "axolotl.yaml"
        write_yaml(config, render(params, str(base_models.weights_folder(BASE)), str(scratch), bf16, gpu))
        write_json(scratch / "handed.json", handed)
        lines = axolotl.train(config, scratch, gpu)
        try:
            metrics = progress.summary(lines, read_json(scratch / "finished.json")["trainable_parameters"], handed)
        except ValueError as error:
            raise UserError(f"{error}; the log: {scratch / 'log.txt'}") from None
        keep(scratch, render(params, BASE, "scratch", bf16, gpu))
    write_json("metrics/train.json", metrics)


def cpu_flags() -> set[str]:
    """The features of this machine's processor, from /proc/cpuinfo; none where there is no such file."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return set(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())


def write_yaml(path: Path, config: dict) -> None:
    text, yaml = io.StringIO(), YAML()
    yaml.version = (1, 1)  # Axolotl reads with PyYAML: there `no` is false, and 1e-05 is text
    yaml.dump(config, text)
    write_text(path, text.getvalue())


@contextmanager
def scratch_folder(params: Mapping, bf16: bool) -> Iterator[Path]:
    """An empty folder in the machine's state for this very run (config, data, base); one run at a time may have it.

    Axolotl writes much more than an adapter, truncates its log on every command and keeps tokenized data: nothing of that belongs into a DVC out.
    """
    asked = json.dumps([render(params, base_models.fingerprint(BASE), "", bf16, False), *(sha256(path) for path in SPLITS.values())], sort_keys=True)
    folder = environments.state("train") / hashlib.sha256(asked.encode()).hexdigest()[:16]
    with environments.locked(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield folder
        shutil.rmtree(folder)


def keep(scratch: Path, config: dict) -> None:
    """models/adapter/: the adapter, the config that anybody can run again, the tokenizer and the template it was trained with."""
    with new_folder("models/adapter") as folder:
        shutil.copyfile(scratch / "adapter_model.safetensors", folder / "adapter_model.safetensors")
        adapter = read_json(scratch / "adapter_config.json") | {"base_model_name_or_path": BASE}
        adapter["target_modules"] = sorted(adapter["target_modules"])  # PEFT keeps a set: its order is the hash seed's
        write_json(folder / "adapter_config.json", adapter)
        write_yaml(folder / "axolotl.yaml", config)
        for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            shutil.copyfile(Path(BASE) / name, folder / name)


if __name__ == "__main__":
    run(main)
