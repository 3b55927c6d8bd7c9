"""Renders an Axolotl config from the parameters, runs Axolotl in its own environment, and keeps adapter, config, tokenizer and template.

reports/tokens.html shows which tokens of a chat were trained.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ruamel.yaml import YAML

from stages.common import base_models, chats, checkpoints, children
from stages.common.errors import UserError, run
from stages.common.files import new_folder, read_json, write_json, write_text
from stages.common.params import load
from stages.common.progress_file import eval_losses, read
from stages.train import axolotl, progress, tokens_page, warning_signs
from stages.train.config import precision, render
from stages.train.launch import Launch, gpus, launch
from stages.train.scratch import key, scratch_folder

SPLITS = {"train": "data/splits/train.jsonl", "validation": "data/splits/validation.jsonl"}
BASE = "models/base"
ENVIRONMENT = "requirements/train.txt"  # another Axolotl does not go on with what one has begun


def main() -> None:
    children.end_with_caller()
    params = load("train")
    handed = {name: len(chats.read(path)) for name, path in SPLITS.items()}
    if empty := next((SPLITS[name] for name, count in handed.items() if not count), None):
        raise UserError(f"{empty}: no chats in it; expected at least one: add some to the gold, or give the split a larger share (holdout)")
    processes = launch(params, gpus(), os.environ)
    flash = processes.gpu and axolotl.has_flash_attention()
    rendered = partial(render, params, bf16=precision(params["bf16"], processes.gpu, cpu_flags()), gpu=processes.gpu, flash=flash)
    signs = partial(warning_signs.of_run, params, handed["train"], read_json(f"{BASE}/manifest.json")["parameters"], processes.world)
    config, terms = rendered(BASE, "scratch"), {"chats": handed, "patience": params["train.patience"], "processes": processes.world, "served": BASE}
    with scratch_folder(key({"config": config, **terms}, base_models.fingerprint(BASE), (*SPLITS.values(), ENVIRONMENT))) as (scratch, lock):
        lines = finished(scratch)
        if lines is None:
            write_json(scratch / "terms.json", terms)
            lines = train(scratch, rendered, processes, lock, signs)
        if processes.host:
            print(f"train: host {processes.host} has done its part; the adapter is on host 0", flush=True)
            return
        losses, whole = eval_losses(lines), checkpoints.whole(scratch)
        kept = checkpoints.best({step: losses[step] for step in whole if step in losses}) if params["train.keep"] == "best" else max(whole)
        try:
            figures = progress.summary(lines, read_json(scratch / "finished.json")["trainable_parameters"], handed, kept)
        except ValueError as error:
            raise UserError(f"{error}; the log: {scratch / 'log.txt'}") from None
        keep(whole[kept], config)
        for path, text in progress.plots(lines).items():
            write_text(path, text)
        write_text("reports/tokens.html", tokens_page.page(read_json(scratch / "tokens.json")))
        write_json("metrics/train.json", figures | warning_signs.figures(signs(lines, ended=True)))


def finished(scratch: Path) -> list[dict] | None:
    """The progress lines of a run that was killed when all was trained; None of any other."""
    return read(scratch / "progress.jsonl") if (scratch / "finished.json").exists() else None


def train(scratch: Path, rendered: Callable[[str, str], dict], processes: Launch, lock: int, signs: warning_signs.Signs) -> list[dict]:
    """Train from the newest whole checkpoint, or from the start, and return the progress lines. Raises UserError where the run did not finish."""
    begin = newest(scratch)
    if begin:
        print(f"train: goes on from step {begin.name.partition('-')[2]}, where an earlier run was interrupted", flush=True)
    config = rendered(str(base_models.weights_folder(BASE)), str(scratch)) | processes.keys
    write_yaml(scratch / "axolotl.yaml", config | ({"resume_from_checkpoint": str(begin)} if begin else {}))
    return axolotl.train(scratch / "axolotl.yaml", scratch, processes, lock, signs)


def newest(scratch: Path) -> Path | None:
    """The checkpoint to go on from; None where there is none. What a kill left of others is removed, and one that is damaged."""
    whole = []
    for path in checkpoints.whole(scratch).values():
        if name := checkpoints.damaged(path):
            print(f"train: {path / name} is not what was written: step {path.name.partition('-')[2]} is not gone on from", flush=True)
        else:
            whole.append(path)
    for path in scratch.glob("checkpoint-*"):
        if path not in whole:
            shutil.rmtree(path)
    return whole[-1] if whole else None


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


def keep(checkpoint: Path, config: dict) -> None:
    """models/adapter/: the adapter of a checkpoint, the config that anybody can run again, the tokenizer and the template it was trained with."""
    with new_folder("models/adapter") as folder:
        shutil.copyfile(checkpoint / "adapter_model.safetensors", folder / "adapter_model.safetensors")
        adapter = read_json(checkpoint / "adapter_config.json") | {"base_model_name_or_path": BASE}
        adapter["target_modules"] = sorted(adapter["target_modules"])  # PEFT keeps a set: its order is the hash seed's
        write_json(folder / "adapter_config.json", adapter)
        write_yaml(folder / "axolotl.yaml", config)
        for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            shutil.copyfile(Path(BASE) / name, folder / name)


if __name__ == "__main__":
    run(main)
