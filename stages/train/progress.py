"""What the plugin's progress file says: the curves for `dvc plots`, and the summary for `dvc metrics`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from stages.common.progress_file import eval_losses

FOLDER = "plots/train"


def plots(lines: list[dict]) -> dict[str, str]:
    """CSV text by file, of a run that goes on or has ended: its curves, and the comparison of its checkpoints."""
    return curves(lines) | {f"{FOLDER}/checkpoints.csv": checkpoints(lines)}


def curves(lines: list[dict]) -> dict[str, str]:
    """CSV text by file, each a column by step. Seconds and tokens a second are means since the log before; memory is the peak so far, in MiB."""
    names = ("loss", "eval_loss", "eval_perplexity", "learning_rate", "grad_norm", "step_seconds", "tokens_per_second", "memory")
    columns: dict[str, list[tuple[int, float]]] = {name: [] for name in names}
    before, memory = None, 0.0
    for line in lines:
        found = {name: line[name] for name in ("loss", "eval_loss", "learning_rate", "grad_norm") if name in line}
        memory = max(memory, line.get("memory", 0.0))
        if "eval_loss" in line:
            found["eval_perplexity"] = perplexity(line["eval_loss"])
        else:
            found["memory"] = memory
            if before and line["tokens"] > before["tokens"]:
                seconds = line["seconds"] - before["seconds"]
                found["step_seconds"] = round(seconds / (line["step"] - before["step"]), 3)
                found["tokens_per_second"] = round((line["tokens"] - before["tokens"]) / seconds, 1)
            before = line
        for name, value in found.items():
            columns[name].append((line["step"], value))
    return {f"{FOLDER}/{name}.csv": f"step,{name}\n" + "".join(f"{step},{value:.8g}\n" for step, value in rows) for name, rows in columns.items()}


def perplexity(loss: float) -> float:
    """e to a loss in nats a token; of losses over 700, beyond which there is no float, that of 700."""
    return math.exp(min(loss, 700.0))


def last_loss(losses: Sequence[float]) -> float:
    """The training loss at the end: the mean of the last tenth."""
    tail = losses[-max(1, len(losses) // 10) :]
    return sum(tail) / len(tail)


def checkpoints(lines: list[dict]) -> str:
    """CSV text: of each evaluation the step, eval loss and perplexity, and the mean training loss since the evaluation before."""
    rows, losses = ["step,eval_loss,eval_perplexity,loss"], []
    for line in lines:
        if "loss" in line:
            losses.append(line["loss"])
        if "eval_loss" in line and line["step"]:
            mean = f"{sum(losses) / len(losses):.8g}" if losses else ""
            rows.append(f"{line['step']},{line['eval_loss']:.8g},{perplexity(line['eval_loss']):.8g},{mean}")
            losses = []
    return "\n".join(rows) + "\n"


def summary(lines: list[dict], trainable_parameters: int, chats: Mapping[str, int], kept: int) -> dict[str, float]:
    """metrics/train.json: the last losses, the best eval loss and that of the checkpoint of step `kept`, tokens, seconds spent on steps, memory.

    Raises ValueError where the run logged no loss, or a loss that is not a number.
    """
    losses = [line["loss"] for line in lines if "loss" in line]
    evals = [line["eval_loss"] for line in lines if "eval_loss" in line]
    if not losses or not evals or not all(map(math.isfinite, losses + evals)):
        raise ValueError(
            f"training logged {len(losses)} losses and {len(evals)} eval losses, of them not finite: {sum(not math.isfinite(x) for x in losses + evals)}"
        )
    seconds = lines[-1]["seconds"]
    return {
        "steps": lines[-1]["step"],
        "chats": chats["train"],
        "tokens": lines[-1]["tokens"],
        "trainable_parameters": trainable_parameters,
        "loss": round(last_loss(losses), 6),
        "kept_step": kept,
        "eval_loss": round(eval_losses(lines)[kept], 6),
        "last_eval_loss": round(evals[-1], 6),
        "best_eval_loss": round(min(evals), 6),
        "eval_perplexity": round(perplexity(eval_losses(lines)[kept]), 4),
        "seconds": round(seconds, 1),
        "tokens_per_second": round(lines[-1]["tokens"] / seconds, 1),
        "peak_memory_mib": max(line.get("memory", 0.0) for line in lines),
    }
