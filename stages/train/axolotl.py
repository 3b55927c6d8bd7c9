"""Runs Axolotl as a child and shows how far it is; a run that did not reach its end raises, whatever its exit status."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from stages.common import checkpoints, children, environments, guard
from stages.common.errors import UserError
from stages.common.files import read_json, write_text
from stages.common.progress_file import read
from stages.train import autopsy, progress
from stages.train.launch import Launch
from stages.train.warning_signs import Sign, Signs

POLL_SECONDS = 1.0
GRACE_SECONDS = 90.0  # to finish the step under way and save; a cloud's notice is 30 seconds to two minutes


def has_flash_attention() -> bool:
    """Whether the training environment has the package flash-attn, which is built for one torch and one CUDA and so is never installed by us."""
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('flash_attn') is None)"
    return subprocess.run([environments.python("train"), "-c", look], capture_output=True).returncode == 0


def resident(pid: int) -> int:
    """Bytes of main memory that a process and all below it hold, those that they share counted for each."""
    pages = 0
    for one in [pid, *guard.descendants(pid)]:
        try:
            pages += int(Path(f"/proc/{one}/statm").read_text().split()[1])
        except (OSError, IndexError):  # it ended while we were looking
            continue
    return pages * os.sysconf("SC_PAGE_SIZE")


def train(config: Path, scratch: Path, launch: Launch, lock: int | None, signs: Signs) -> list[dict]:
    """Run to the end, warn of each sign as soon as it is seen, and return the progress lines.

    Raises UserError with the reason, or else the log's end, where the run did not finish.
    """
    log, watched, stopped = scratch / "log.txt", scratch / "progress.jsonl", scratch / "stopped.json"
    stopped.unlink(missing_ok=True)
    command = launch.command(environments.python("train"), config)
    told: set[str] = set()
    writes = launch.host == 0  # another host has no outs
    with (
        open(log, "wb") as output,
        children.child(command, environments.silent(**launch.environment()), output, GRACE_SECONDS, lock) as process,
        tqdm(unit="step", desc="train", dynamic_ncols=True) as bar,
    ):
        lines: list[dict] = []
        show(bar, lines, writes)  # DVC has removed the files of the run before, and whoever looks now is to find some
        used = 0
        warn(signs(lines, ended=False), told, output)
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
            used = max(used, resident(process.pid))
            if (found := read(watched)) != lines:
                show(bar, lines := found, writes)
                warn(signs(lines, ended=False), told, output)
        lines = read(watched)
        show(bar, lines, writes)  # the last evaluation is logged after the last step
        warn(signs(lines, ended=(scratch / "finished.json").exists()), told, output)
    if stopped.exists():
        raise UserError(read_json(stopped)["reason"])
    # Axolotl saves and exits 0 on Ctrl-C: only the plugin's mark, written last, says that training reached its end.
    if process.returncode != 0 or not (scratch / "finished.json").exists():
        words = children.last_lines(log, 200)
        said = autopsy.cause(process.returncode, words, shutil.disk_usage(scratch).free, used, launch.hosts) or autopsy.last_error(words)
        if said is None:
            raise UserError(f"training did not finish (exit status {process.returncode}). The end of {log}:\n{children.last_lines(log)}")
        last = max(checkpoints.whole(scratch), default=0)
        again = f"; with the same settings the next run goes on from step {last}" if last else ""
        raise UserError(f"training did not finish: {said}{again}. The log: {log}")
    return lines


def warn(signs: Iterable[Sign], told: set[str], log: BinaryIO) -> None:
    """Say each sign once, above the bar and in the log, and remember the names of those that were told."""
    for name, sentence in signs:
        if name not in told:
            told.add(name)
            tqdm.write(f"warning: {sentence}", file=sys.stderr)
            log.write(f"warning: {sentence}\n".encode())
            log.flush()


def show(bar: tqdm, lines: list[dict], writes: bool = True) -> None:
    """Move the bar to the last step and, where this host has the outs, write the curves so far; without a line, their heads."""
    if lines:
        bar.total = lines[-1]["steps"]
        losses = [line["loss"] for line in lines if "loss" in line]
        evals = [line["eval_loss"] for line in lines if "eval_loss" in line]
        bar.set_postfix({k: f"{v[-1]:.3f}" for k, v in (("loss", losses), ("eval", evals)) if v}, refresh=False)
        bar.update(lines[-1]["step"] - bar.n)
    for path, text in progress.plots(lines).items() if writes else ():
        write_text(path, text)
