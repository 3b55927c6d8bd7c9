"""`python -m benchmarks.generate_peer JOB.json OUT.json`, in .venv-train: transformers' generate for one batch of chats, as its documentation has it.

JOB.json: {"model", "tokenizer": folders, "messages": [chats], "temperature", "min_p", "top_p", "max_tokens", "seed"}. An answer ends with its first end-of-turn token, which counts.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    job, out = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2])
    began = time.monotonic()
    tokenizer = AutoTokenizer.from_pretrained(job["tokenizer"], padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.bfloat16, use_safetensors=True).eval()
    torch.manual_seed(job["seed"])
    texts = [tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) for messages in job["messages"]]
    # top_k 0: the library's own default of 50 would be another sampling than what the server is asked for.
    own = {name: job[name] for name in ("temperature", "min_p", "top_p")}
    sampling = {"do_sample": True, **own, "top_k": 0, "pad_token_id": tokenizer.pad_token_id}

    def generate(some: list[str], most: int) -> tuple[int, list[int]]:
        """(tokens of the prompts, tokens of each answer)."""
        batch = tokenizer(some, return_tensors="pt", padding=True, add_special_tokens=False)
        with torch.inference_mode():
            said = model.generate(**batch, max_new_tokens=most, **sampling)[:, batch["input_ids"].shape[1] :]
        ends = said == tokenizer.eos_token_id
        return int(batch["attention_mask"].sum()), [int(row.int().argmax()) + 1 if row.any() else len(row) for row in ends]

    generate(texts[:2], 8)  # warms up
    start, began = time.monotonic() - began, time.monotonic()
    prompt_tokens, answers = generate(texts, job["max_tokens"])
    figures = {"start": start, "seconds": time.monotonic() - began, "prompt_tokens": prompt_tokens, "answer_tokens": sum(answers), "longest": max(answers)}
    out.write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
