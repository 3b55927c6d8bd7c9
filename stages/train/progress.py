"""What the plugin's progress file says: the curves for `dvc plots`, and the summary for `dvc metrics`."""

from __future__ import annotations

import json
import math
from pathlib import Path

FOLDER = "plots/train"


def read(path: Path) -> list[dict]:
    """The lines written so far; a last line still being written is left for the next look."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def curves(lines: list[dict]) -> dict[str, str]:
    """CSV text by file: loss, eval_loss, learning_rate and tokens_per_second (since the log before, evaluation left out) by step."""
    columns: dict[str, list[tuple[int, float]]] = {"loss": [], "eval_loss": [], "learning_rate": [], "tokens_per_second": []}
    before, evaluating = None, 0.0
    for line in lines:
        for name in ("loss", "eval_loss", "learning_rate"):
            if name in line:
                columns[name].append((line["step"], line[name]))
        evaluating += line.get("eval_runtime", 0.0)
        if "eval_loss" not in line:
            if before and line["tokens"] > before["tokens"]:
                seconds = line["seconds"] - before["seconds"] - evaluating
                columns["tokens_per_second"].append((line["step"], round((line["tokens"] - before["tokens"]) / seconds, 1)))
            before, evaluating = line, 0.0
    return {f"{FOLDER}/{name}.csv": f"step,{name}\n" + "".join(f"{step},{value:.8g}\n" for step, value in rows) for name, rows in columns.items()}


def summary(lines: list[dict], trainable_parameters: int, chats: dict[str, int]) -> dict[str, float]:
    """metrics/train.json: the last losses, the best eval loss, tokens and seconds without evaluation.

    Raises ValueError where the run logged no loss, or a loss that is not a number.
    """
    losses = [line["loss"] for line in lines if "loss" in line]
    evals = [line["eval_loss"] for line in lines if "eval_loss" in line]
    if not losses or not evals or not all(map(math.isfinite, losses + evals)):
        raise ValueError(
            f"training logged {len(losses)} losses and {len(evals)} eval losses, of them not finite: {sum(not math.isfinite(x) for x in losses + evals)}"
        )
    seconds = lines[-1]["seconds"] - sum(line.get("eval_runtime", 0.0) for line in lines)
    tail = losses[-max(1, len(losses) // 10) :]
    return {
        "steps": lines[-1]["step"],
        "chats": chats["train"],
        "tokens": lines[-1]["tokens"],
        "trainable_parameters": trainable_parameters,
        "loss": round(sum(tail) / len(tail), 6),
        "eval_loss": round(evals[-1], 6),
        "best_eval_loss": round(min(evals), 6),
        "eval_perplexity": round(math.exp(evals[-1]), 4),
        "seconds": round(seconds, 1),
        "tokens_per_second": round(lines[-1]["tokens"] / seconds, 1),
    }
