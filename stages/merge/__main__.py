"""Folds the adapter into the base, checks that both say the same, and writes the model with a card of what it is made from and the hashes of its files.

With merge.gguf it also writes what llama.cpp and Ollama take.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from stages.common import base_models, chats, children, environments
from stages.common.errors import UserError, run
from stages.common.files import new_folder, read_json, write_json, write_jsonl, write_text
from stages.common.params import load
from stages.merge import gguf, ollama
from stages.merge.card import model_card
from stages.merge.parity import BOUNDS, beyond, compared
from stages.merge.sums import write_sums

BASE, ADAPTER, MERGED = Path("models/base"), Path("models/adapter"), "models/merged"
HELD_OUT = "data/splits/validation.jsonl"  # which train has too: another test split trains nothing, and so merges nothing

CONTEXT = 4096  # tokens that Ollama keeps of a chat, where the model knows as many


def main() -> None:
    children.end_with_caller()
    params = load("merge")
    script = gguf.converter() if params["merge.gguf"] else None
    bounds = {name: params[f"merge.{name}"] for name in BOUNDS}
    with new_folder(MERGED) as folder, environments.scratch("merge") as scratch:
        job, said, out = scratch / "job.json", scratch / "chats.jsonl", scratch / "agreement.json"
        write_jsonl(said, compared(chats.read(HELD_OUT), params["merge.chats"]))
        write_json(job, {"base": str(base_models.weights_folder(BASE)), "adapter": str(ADAPTER), "merged": str(folder), "chats": str(said)})
        children.run(
            [environments.python("train"), "-m", "stages.weights.merge", str(job), str(out)], environments.silent(), environments.state("logs") / "merge.log"
        )
        found = read_json(out)
        if problem := beyond(found, bounds):
            raise UserError(f"the merged model does not say what base and adapter say: {problem}")
        if (BASE / "generation_config.json").exists():
            shutil.copyfile(BASE / "generation_config.json", folder / "generation_config.json")
        manifest, trained = read_json(BASE / "manifest.json"), chats.read("data/splits/train.jsonl")
        write_text(folder / "README.md", model_card(manifest, trained, params, found))
        if script:
            found |= for_ollama(script, folder, params["merge.gguf"], trained, said, bounds, scratch)
        write_sums(folder)
    write_json("metrics/merge.json", found)


def for_ollama(script: Path, folder: Path, kind: str, trained: Sequence[dict], said: Path, bounds: Mapping[str, float], scratch: Path) -> dict[str, float]:
    """Write the model as GGUF beside itself, with a Modelfile of each character, and return how far it is from the model, by names that begin with gguf_.

    Raises UserError where it is further than the merged model may be from base + adapter.
    """
    prompts = ollama.prompts(trained)
    gguf.convert(script, folder, kind, " and ".join(prompts), scratch)
    job, out = scratch / "gguf.json", scratch / "told.json"
    write_json(job, {"merged": str(folder), "gguf": str(folder / gguf.FILE), "chats": str(said), "config": str(ADAPTER / "axolotl.yaml")})
    children.run(
        [environments.python("train"), "-m", "stages.weights.gguf", str(job), str(out)], environments.silent(), environments.state("logs") / "gguf.log"
    )
    told = read_json(out)
    if problem := beyond(told["figures"], bounds):
        raise UserError(f"the GGUF does not say what the merged model says: {problem}; take merge.gguf: bf16 or null")
    context = min(CONTEXT, read_json(folder / "config.json").get("max_position_embeddings") or CONTEXT)
    for name, prompt in prompts.items():
        place = folder / ("Modelfile" if len(prompts) == 1 else f"Modelfile.{name}")
        write_text(place, ollama.modelfile(gguf.FILE, prompt, told["pieces"], told["end"], context))
    return {f"gguf_{name}": value for name, value in told["figures"].items() if name in ("mean_delta", "max_delta", "top1_agreement", "perplexity_ratio")}


if __name__ == "__main__":
    run(main)
