"""`python -m stages.weights.score JOB.json OUT.jsonl`: the loss of base, prompted and tuned on chats, the character's tokens only.

JOB.json: {"base": folder, "adapter": folder, "files": {split: chats.jsonl}, "without_prompt": [splits]}. One line out for each arm and chat:
{"arm", "split", "id", "character", "nll" (sum, nats), "tokens"}. "prompted" is the base with the character's system prompt, "tuned" the same with
the adapter. "base", for the splits of "without_prompt", is the base on the same chat without its system turn: the same tokens of the character after
whatever the model's template puts in that turn's place.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from peft import PeftModel
from tqdm import tqdm
from transformers import AutoTokenizer, PreTrainedModel

from stages.common.errors import UserError, run
from stages.common.files import read_json, read_jsonl, write_jsonl
from stages.weights.models import log_probabilities, open_model
from stages.weights.tokenized import strategy, tokenize

Asked = tuple[dict, list[int], list[int]]
"""What a line says of its chat, and the chat's token ids and labels."""


def main() -> None:
    job, out = read_json(sys.argv[1]), sys.argv[2]
    adapter = Path(job["adapter"])
    config = adapter / "axolotl.yaml"
    tokenizer = AutoTokenizer.from_pretrained(adapter)
    prompts = strategy(config, tokenizer)
    asked: dict[str, list[Asked]] = {"base": [], "prompted": [], "tuned": []}
    for split, file in job["files"].items():
        chats = {chat["id"]: chat for chat in read_jsonl(file)}
        for name, (ids, labels) in tokenize(Path(file), config, tokenizer).items():
            if max(labels) < 0:  # none is a token's id
                raise UserError(f"{file}: chat {name} has no token of the character")
            row = {"split": split, "id": name, "character": chats[name]["character"]}
            for arm in ("prompted", "tuned"):
                asked[arm].append((row, ids, labels))
            if split in job["without_prompt"]:
                alone = prompts.tokenize_prompt(without_prompt(chats[name]))
                asked["base"].append((row, alone["input_ids"], alone["labels"]))
    rows = scored(asked, open_model(job["base"]), ("base", "prompted")) + scored(asked, open_model(job["base"], job["adapter"]), ("tuned",))
    write_jsonl(out, sorted(rows, key=lambda row: (row["arm"], row["split"], row["id"])))


def scored(asked: Mapping[str, Sequence[Asked]], model: PreTrainedModel | PeftModel, arms: Sequence[str]) -> list[dict]:
    """The lines of those arms that are one model."""
    rows = []
    for arm in arms:
        for row, ids, labels in tqdm(asked[arm], desc=f"score {arm}"):
            found, _ = log_probabilities(model, ids, labels)
            rows.append({"arm": arm, **row, "nll": -found.double().sum().item(), "tokens": len(found)})
    return rows


def without_prompt(chat: dict) -> dict:
    """The chat without its system turn."""
    return chat | {"conversations": [turn for turn in chat["conversations"] if turn["from"] != "system"]}


if __name__ == "__main__":
    run(main)
