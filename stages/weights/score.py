"""`python -m stages.weights.score JOB.json OUT.jsonl`: the loss of base and tuned on chats, the character's tokens only.

JOB.json: {"base": folder, "adapter": folder, "files": {split: chats.jsonl}}. One line out for each arm and chat:
{"arm", "split", "id", "character", "nll" (sum, nats), "tokens"}. "prompted" is the base with the character's system prompt, "tuned" the same with the adapter.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tqdm import tqdm
from transformers import AutoTokenizer

from stages.common.errors import UserError, run
from stages.common.files import read_json, read_jsonl, write_jsonl
from stages.weights.models import log_probabilities, open_model
from stages.weights.tokenized import tokenize


def main() -> None:
    job, out = read_json(sys.argv[1]), sys.argv[2]
    adapter = Path(job["adapter"])
    tokenizer = AutoTokenizer.from_pretrained(adapter)
    model = open_model(job["base"], job["adapter"])
    rows = []
    for split, file in job["files"].items():
        whose = {chat["id"]: chat["character"] for chat in read_jsonl(file)}
        for chat, (ids, labels) in tqdm(tokenize(Path(file), adapter / "axolotl.yaml", tokenizer).items(), desc=f"score {split}"):
            tuned, _ = log_probabilities(model, ids, labels)
            with model.disable_adapter():
                base, _ = log_probabilities(model, ids, labels)
            if not len(tuned):
                raise UserError(f"{file}: chat {chat} has no token of the character")
            rows += [
                {"arm": arm, "split": split, "id": chat, "character": whose[chat], "nll": -p.double().sum().item(), "tokens": len(p)}
                for arm, p in (("prompted", base), ("tuned", tuned))
            ]
    write_jsonl(out, sorted(rows, key=lambda row: (row["arm"], row["split"], row["id"])))


if __name__ == "__main__":
    run(main)
