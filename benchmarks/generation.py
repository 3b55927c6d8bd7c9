"""`python -m benchmarks.generation [--prompts N] [--only NAME ...]`: how fast answer gets its answers, beside Hugging Face's generate.

The same N (64) prompts at once, of data/prompts/, each with the first character's system prompt, to the base model in models/base with answer's own sampling:

    answer        vLLM with the base, as stage answer starts it and by its own client
    tuned         vLLM with the adapter of models/adapter folded into the base, as answer has it on a CPU
    lora          the adapter as vLLM's LoRA has it, on top of the base: what answer asks on a GPU
    huggingface   transformers' generate of .venv-train, in bfloat16, one batch padded on the left (benchmarks/generate_peer.py)

Printed: answer tokens a second, the model's start left out, and the seconds of that start; then how many times as fast each is as huggingface. Bound: 2.5 times for answer.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from stages.answer.__main__ import ADAPTER, SETS, sampling
from stages.answer.served import Round, Served
from stages.answer.speakers import fold
from stages.common import base_models, characters, environments, inference_server
from stages.common.errors import UserError, run
from stages.common.files import read_json, read_jsonl, write_json
from stages.common.params import load
from stages.train.launch import cpu_settings

BASE = Path("models/base")
NAMES = ("answer", "tuned", "lora", "huggingface")
BOUND = 2.5


def bodies(count: int, params: Any) -> list[dict]:
    """Requests as the prompted arm sends them, of the first turns in the prompt files. Raises UserError where there are not so many."""
    name, card = next(iter(characters.read_all().items()))
    own = [row for path, _ in SETS.values() for row in read_jsonl(path) if row.get("character", name) == name]
    if len(own) < count:
        raise UserError(f"{len(own)} prompts for {name}; expected at least {count}")
    sampled = {**sampling(params), "max_tokens": params["answer.max_tokens"]}
    system = {"role": "system", "content": characters.system_prompt(card, params["curate.user"])}
    prompts = [row["prompts"][0] if "prompts" in row else row["prompt"] for row in own[:count]]
    return [{"messages": [system, {"role": "user", "content": prompt}], **sampled} for prompt in prompts]


def served(name: str, asked: list[dict], params: Any, scratch: Path) -> tuple[Round, float]:
    """What a server took for the requests, and seconds of its start, folding included."""
    began, base = time.monotonic(), base_models.weights_folder(BASE)
    weights = fold(base, ADAPTER, scratch) if name == "tuned" else base
    adapters = {"lora": ADAPTER.resolve()} if name == "lora" else {}
    with inference_server.serve(weights, "base" if adapters else name, ADAPTER / "chat_template.jinja", params["answer.seed"], adapters) as url:
        server = Served({name: url}, len(asked), time.monotonic() - began)
        server.ask(name, asked[:2], f"{name}: warms up")
        server.ask(name, asked, name)
    return server.rounds[1], server.start


def huggingface(asked: list[dict], params: Any, scratch: Path) -> tuple[Round, float]:
    """The same through transformers."""
    job = {
        "model": str(base_models.weights_folder(BASE)),
        "tokenizer": str(BASE),
        "messages": [body["messages"] for body in asked],
        "seed": params["answer.seed"],
    }
    write_json(scratch / "job.json", job | {field: value for field, value in asked[0].items() if field != "messages"})
    command = [environments.python("train"), "-m", "benchmarks.generate_peer", str(scratch / "job.json"), str(scratch / "found.json")]
    done = subprocess.run(command, env=environments.silent(PYTHONPATH=".", **cpu_settings()), capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"huggingface ended with status {done.returncode}: {done.stderr[-1000:]}")
    found = read_json(scratch / "found.json")
    return Round("huggingface", len(asked), found["prompt_tokens"], found["answer_tokens"], found["longest"], found["seconds"]), found["start"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--prompts", type=int, default=64, help="at once")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    chosen = parser.parse_args()
    params = load("answer")
    asked = bodies(chosen.prompts, params)
    rates: dict[str, float] = {}

    def tell(name: str, found: Round, start: float) -> None:
        rates[name] = found.answer_tokens / found.seconds
        print(
            f"{name:12}{rates[name]:>8.0f} tokens/s: {found.answer_tokens:,} tokens in {found.seconds:.1f} s, prompts of {found.prompt_tokens:,}; started in {start:.0f} s",
            flush=True,
        )

    for name in reversed(NAMES):
        if name in chosen.only:
            with environments.scratch("generation") as scratch:
                tell(name, *(huggingface(asked, params, scratch) if name == "huggingface" else served(name, asked, params, scratch)))
    if "huggingface" in rates:
        for name, rate in rates.items():
            if name != "huggingface":
                print(f"{name} / huggingface: {rate / rates['huggingface']:.2f}")
        if "answer" in rates and rates["answer"] < BOUND * rates["huggingface"]:
            sys.exit(f"error: answer is {rates['answer'] / rates['huggingface']:.2f} times as fast as huggingface; {BOUND} are asked")


if __name__ == "__main__":
    run(main)
