"""Folds the adapter into the base, checks that both say the same, and writes the model with a card of what it is made from and the hashes of its files."""

from __future__ import annotations

import shutil
from pathlib import Path

from stages.common import base_models, chats, children, environments
from stages.common.errors import UserError, run
from stages.common.files import new_folder, read_json, write_json, write_jsonl, write_text
from stages.common.params import load
from stages.merge.card import model_card
from stages.merge.parity import BOUNDS, beyond, compared
from stages.merge.sums import write_sums

BASE, ADAPTER, MERGED = Path("models/base"), Path("models/adapter"), "models/merged"
HELD_OUT = "data/splits/validation.jsonl"  # which train has too: another test split trains nothing, and so merges nothing


def main() -> None:
    children.end_with_caller()
    params = load("merge")
    with new_folder(MERGED) as folder, environments.scratch("merge") as scratch:
        job, said, out = scratch / "job.json", scratch / "chats.jsonl", scratch / "agreement.json"
        write_jsonl(said, compared(chats.read(HELD_OUT), params["merge.chats"]))
        write_json(job, {"base": str(base_models.weights_folder(BASE)), "adapter": str(ADAPTER), "merged": str(folder), "chats": str(said)})
        children.run(
            [environments.python("train"), "-m", "stages.weights.merge", str(job), str(out)], environments.silent(), environments.state("logs") / "merge.log"
        )
        found = read_json(out)
        if problem := beyond(found, {name: params[f"merge.{name}"] for name in BOUNDS}):
            raise UserError(f"the merged model does not say what base and adapter say: {problem}")
        if (BASE / "generation_config.json").exists():
            shutil.copyfile(BASE / "generation_config.json", folder / "generation_config.json")
        manifest, trained = read_json(BASE / "manifest.json"), chats.read("data/splits/train.jsonl")
        write_text(folder / "README.md", model_card(manifest, trained, params, found))
        write_sums(folder)
    write_json("metrics/merge.json", found)


if __name__ == "__main__":
    run(main)
