"""`python -m benchmarks.generation [--prompts N] [--only NAME ...]`: how fast answer gets its answers, beside Hugging Face's generate.

The same N (64) prompts at once, of data/prompts/, each with the first character's system prompt, to the base model in models/base with answer's own sampling:

    alone         vLLM with the base alone, asked by answer's own client
    answer        the same server as stage answer starts, which knows the adapter in models/adapter too; the base is asked
    tuned         the adapter of that server is asked
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

from stages.answer.__main__ import ADAPTER, SETS
from stages.answer.served import Round, Served
from stages.common import base_models, characters, environments, inference_server
from stages.common.errors import UserError, run
from stages.common.files import read_json, read_jsonl, write_json
from stages.common.params import load
from stages.train.launch import cpu_settings

BASE = Path("models/base")
NAMES = ("alone", "answer", "tuned", "huggingface")
BOUND = 2.5


def bodies(count: int, params: Any) -> list[dict]:
    """Requests as the prompted arm sends them, of the first turns in the prompt files. Raises UserError where there are not so many."""
    name, card = next(iter(characters.read_all().items()))
    own = [row for path, _ in SETS.values() for row in read_jsonl(path) if row.get("character", name) == name]
    if len(own) < count:
        raise UserError(f"{len(own)} prompts for {name}; expected at least {count}")
    sampling = {field: params[f"answer.{field}"] for field in ("temperature", "top_p", "max_tokens")}
    system = {"role": "system", "content": characters.system_prompt(card, params["curate.user"])}
    prompts = [row["prompts"][0] if "prompts" in row else row["prompt"] for row in own[:count]]
    return [{"messages": [system, {"role": "user", "content": prompt}], **sampling} for prompt in prompts]


def served(asked: list[dict], params: Any, models: dict[str, str]) -> dict[str, tuple[Round, float]]:
    """What one server took for the same requests to each of `models`, by its name here, and seconds of its start; it has the adapter where that is asked or could be."""
    adapters = {"adapter": ADAPTER.resolve()} if "alone" not in models else {}
    template = (ADAPTER if adapters else BASE) / "chat_template.jinja"
    server = Served("", len(asked))
    began = time.monotonic()
    with inference_server.serve(base_models.weights_folder(BASE), "base", template, params["answer.seed"], adapters) as server.url:
        start = time.monotonic() - began
        for name, model in models.items():
            server.ask(model, asked[:2], f"{name}: warms up")
            server.ask(model, asked, name)
    return {name: (one, start) for name, one in zip(models, server.rounds[1::2], strict=True)}


def huggingface(asked: list[dict], params: Any, scratch: Path) -> tuple[Round, float]:
    """The same through transformers."""
    job = {
        "model": str(base_models.weights_folder(BASE)),
        "tokenizer": str(BASE),
        "messages": [body["messages"] for body in asked],
        "seed": params["answer.seed"],
    }
    write_json(scratch / "job.json", job | {field: asked[0][field] for field in ("temperature", "top_p", "max_tokens")})
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

    if "huggingface" in chosen.only:
        with environments.scratch("generation") as scratch:
            tell("huggingface", *huggingface(asked, params, scratch))
    for models in ({"alone": "base"}, {"answer": "base", "tuned": "adapter"}):
        if wanted := {name: model for name, model in models.items() if name in chosen.only}:
            for name, found in served(asked, params, wanted).items():
                tell(name, *found)
    if "huggingface" in rates:
        for name, rate in rates.items():
            if name != "huggingface":
                print(f"{name} / huggingface: {rate / rates['huggingface']:.2f}")
        if "answer" in rates and rates["answer"] < BOUND * rates["huggingface"]:
            sys.exit(f"error: answer is {rates['answer'] / rates['huggingface']:.2f} times as fast as huggingface; {BOUND} are asked")


if __name__ == "__main__":
    run(main)
