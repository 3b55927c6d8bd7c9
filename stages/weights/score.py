"""`python -m stages.weights.score JOB.json OUT.jsonl`: the loss of base, prompted and tuned on chats, the character's tokens only.

JOB.json: {"base": folder, "adapter": folder, "files": {split: chats.jsonl}, "without_prompt": [splits]}. One line out for each arm and chat:
{"arm", "split", "id", "character", "nll" (sum, nats), "tokens"}. "prompted" is the base with the character's system prompt, "tuned" the same with
the adapter. "base", for the splits of "without_prompt", is the base on the same chat without its system turn: the same tokens of the character after
whatever the model's template puts in that turn's place.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tqdm import tqdm
from transformers import AutoTokenizer

from stages.common.errors import UserError, run
from stages.common.files import read_json, read_jsonl, write_jsonl
from stages.weights.models import log_probabilities, open_model
from stages.weights.tokenized import strategy, tokenize


def main() -> None:
    job, out = read_json(sys.argv[1]), sys.argv[2]
    adapter = Path(job["adapter"])
    config = adapter / "axolotl.yaml"
    tokenizer = AutoTokenizer.from_pretrained(adapter)
    model, prompts = open_model(job["base"], job["adapter"]), strategy(config, tokenizer)
    rows = []
    for split, file in job["files"].items():
        chats = {chat["id"]: chat for chat in read_jsonl(file)}
        for name, (ids, labels) in tqdm(tokenize(Path(file), config, tokenizer).items(), desc=f"score {split}"):
            found = {"tuned": log_probabilities(model, ids, labels)[0]}
            if not len(found["tuned"]):
                raise UserError(f"{file}: chat {name} has no token of the character")
            with model.disable_adapter():
                found["prompted"], _ = log_probabilities(model, ids, labels)
                if split in job["without_prompt"]:
                    alone = prompts.tokenize_prompt(without_prompt(chats[name]))
                    found["base"], _ = log_probabilities(model, alone["input_ids"], alone["labels"])
            rows += [
                {"arm": arm, "split": split, "id": name, "character": chats[name]["character"], "nll": -p.double().sum().item(), "tokens": len(p)}
                for arm, p in found.items()
            ]
    write_jsonl(out, sorted(rows, key=lambda row: (row["arm"], row["split"], row["id"])))


def without_prompt(chat: dict) -> dict:
    """The chat without its system turn."""
    return chat | {"conversations": [turn for turn in chat["conversations"] if turn["from"] != "system"]}


if __name__ == "__main__":
    run(main)
