"""`python -m benchmarks.train_speed [--rounds N] [--steps N] [--only NAME ...]`: our training on a CPU beside Axolotl's default, TRL's and LLaMA-Factory's.

All train the same chats of data/splits/train.jsonl on the same base with the same rank, modules, learning rate, schedule, micro batch, accumulation and number of
steps, one after the other, in an order that turns with each round:

    ours          the config that stage train renders
    axolotl       what an Axolotl user gets on a CPU who sets nothing but what it cannot do without: float32, no plugin, no grouping by length, no Triton kernels
    trl           TRL's SFTTrainer of .venv-train, as its documentation has it, in its default bfloat16 (benchmarks/trl_peer.py)
    llamafactory  LLaMA-Factory, as its examples have it, in bfloat16 (benchmarks/llamafactory_peer.py); its environment is built at the first call

Printed: tokens a second (those of the chats, padding not counted, from the end of the first step to the end of the last), and nats a token of the validation
chats under the adapter that each ends with, all scored by one code, that of stage answer. Last, the share of this machine's bfloat16 matrix peak that ours
reaches (benchmarks/matrix_peak.py). Bounds: 2 times axolotl, 1.6 times llamafactory.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path

from benchmarks import matrix_peak, peer_environments
from stages.common import base_models, environments
from stages.common.chats import read
from stages.common.errors import UserError, run
from stages.common.files import read_json, read_jsonl, write_json
from stages.common.params import load
from stages.train.__main__ import BASE, SPLITS, cpu_flags, write_yaml
from stages.train.config import precision, render
from stages.train.launch import Launch, cpu_settings

WARMUP_STEPS = 1
ALONE = Launch("accelerate", 1, 1, 0, gpu=False)  # one process, on the CPU


def our_config(out: Path, steps: int) -> dict:
    """What stage train renders, for so many steps, without evaluation and without saving in between."""
    params = load("train")
    config = render(params, str(base_models.weights_folder(BASE)), str(out), precision(params["bf16"], False, cpu_flags()), False)
    config |= {
        "max_steps": steps,
        "warmup_steps": WARMUP_STEPS,
        "eval_strategy": "no",
        "plugins": [*config["plugins"], "benchmarks.stopwatch_plugin.StopwatchPlugin"],
    }
    return {name: value for name, value in config.items() if name not in ("eval_steps", "save_steps", "warmup_ratio")} | {"save_strategy": "no"}


def terms(project: Path = Path()) -> dict:
    """What the stage tells our plugin (terms.json), for one process."""
    return {"chats": {name: len(read(project / path)) for name, path in SPLITS.items()}, "patience": None, "processes": 1, "served": BASE}


def ours(out: Path, steps: int) -> list[str]:
    write_json(out / "terms.json", terms())
    write_yaml(out / "axolotl.yaml", our_config(out, steps))
    return ALONE.command(environments.python("train"), out / "axolotl.yaml")


def axolotl(out: Path, steps: int) -> list[str]:
    plain = {"bf16": False, "group_by_length": False, "plugins": ["benchmarks.stopwatch_plugin.StopwatchPlugin"]}
    write_yaml(out / "axolotl.yaml", our_config(out, steps) | plain)
    return ALONE.command(environments.python("train"), out / "axolotl.yaml")


def job(out: Path, steps: int) -> str:
    """The job for a peer that is not Axolotl, as a file; its path."""
    params = load("train")
    settings = {
        "out": str(out), "train": SPLITS["train"], "base": str(base_models.weights_folder(BASE)), "steps": steps, "warmup_steps": WARMUP_STEPS,
        "micro_batch_size": params["micro_batch_size"], "accumulation": params["gradient_accumulation_steps"], "learning_rate": params["learning_rate"],
        "rank": params["lora_r"], "alpha": params["lora_alpha"] or 2 * params["lora_r"], "dropout": params["lora_dropout"],
        "modules": params["lora_target_modules"], "sequence_len": params["sequence_len"], "seed": params["seed"],
    }  # fmt: skip
    write_json(out / "job.json", settings)
    return str(out / "job.json")


def trl(out: Path, steps: int) -> list[str]:
    return [environments.python("train"), "-m", "benchmarks.trl_peer", job(out, steps)]


def llamafactory(out: Path, steps: int) -> list[str]:
    return [peer_environments.python("llamafactory"), "-m", "benchmarks.llamafactory_peer", job(out, steps)]


RUNNERS: dict[str, Callable[[Path, int], list[str]]] = {"ours": ours, "axolotl": axolotl, "trl": trl, "llamafactory": llamafactory}


def train(name: str, steps: int, out: Path) -> dict[str, float]:
    """Run one training to its end; what its stopwatch measured. Raises UserError with the log's place where it fails."""
    out.mkdir(parents=True)
    asked = RUNNERS[name](out, steps)
    settings = ALONE.environment() if name == "ours" else {"OMP_NUM_THREADS": cpu_settings()["OMP_NUM_THREADS"]}
    with open(out / "log.txt", "w") as log:
        status = subprocess.run(asked, env=environments.silent(PYTHONPATH=".", **settings), stdout=log, stderr=log, stdin=subprocess.DEVNULL).returncode
    if status or not (out / "stopwatch.json").exists():
        shutil.copyfile(out / "log.txt", kept := environments.state("logs") / f"train_speed-{name}.log")
        raise UserError(f"{name} ended with status {status}: see {kept}")
    return read_json(out / "stopwatch.json")


def validation_loss(out: Path, scratch: Path) -> float:
    """Nats a token of the validation chats under the last adapter that a training left somewhere in its folder, checkpoints included."""
    adapter = max(out.rglob("adapter_model.safetensors"), key=lambda path: path.stat().st_mtime_ns).parent
    judged = scratch / "judged"
    shutil.rmtree(judged, ignore_errors=True)
    judged.mkdir()
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        shutil.copyfile(adapter / name, judged / name)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(Path(BASE) / name, judged / name)
    write_yaml(judged / "axolotl.yaml", our_config(judged, 1))
    job = {"base": str(base_models.weights_folder(BASE)), "adapter": str(judged), "files": {"validation": SPLITS["validation"]}, "without_prompt": []}
    write_json(scratch / "score.json", job)
    asked = [environments.python("train"), "-m", "stages.weights.score", str(scratch / "score.json"), str(scratch / "losses.jsonl")]
    with open(scratch / "score.txt", "w") as log:
        subprocess.run(asked, env=environments.silent(PYTHONPATH=".", **cpu_settings()), check=True, stdout=log, stderr=log)
    rows = [row for row in read_jsonl(scratch / "losses.jsonl") if row["arm"] == "tuned"]
    return sum(row["nll"] for row in rows) / sum(row["tokens"] for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6, help="optimizer steps a training; the first is not timed")
    parser.add_argument("--only", nargs="+", choices=list(RUNNERS), default=list(RUNNERS))
    asked = parser.parse_args()
    speeds: dict[str, list[float]] = {name: [] for name in asked.only}
    with environments.scratch("benchmark") as scratch:
        for number in range(asked.rounds):
            turn = number % len(asked.only)
            for name in asked.only[turn:] + asked.only[:turn]:
                figures = train(name, asked.steps, out := scratch / str(number) / name)
                speeds[name].append(figures["tokens_per_second"])
                print(
                    f"round {number + 1}: {name}: {figures['tokens_per_second']:.0f} tokens/s over {figures['tokens']:,} tokens in {figures['steps'] - 1} steps; "
                    f"validation loss {validation_loss(out, scratch):.4f}",
                    flush=True,
                )
    for name in speeds:
        if name != "ours" and "ours" in speeds:
            ratios = [mine / theirs for mine, theirs in zip(speeds["ours"], speeds[name], strict=True)]
            print(f"ours / {name}: median {statistics.median(ratios):.2f} of {', '.join(f'{ratio:.2f}' for ratio in ratios)}")
    if "ours" in speeds:
        print(matrix_peak.sentence(statistics.median(speeds["ours"])))


if __name__ == "__main__":
    run(main)
