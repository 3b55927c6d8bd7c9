"""Runs Axolotl as a child and shows how far it is; a run that did not reach its end raises, whatever its exit status."""

from __future__ import annotations

import re
import time
from pathlib import Path

from tqdm import tqdm

from stages.common import children, environments
from stages.common.errors import UserError
from stages.common.files import read_json, write_text
from stages.common.progress_file import read
from stages.train import progress
from stages.train.launch import Launch

POLL_SECONDS = 1.0
GRACE_SECONDS = 90.0  # to finish the step under way and save; a cloud's notice is 30 seconds to two minutes


def train(config: Path, scratch: Path, launch: Launch, lock: int | None) -> list[dict]:
    """Run to the end and return the progress lines. Raises UserError with the reason, or the log's end, where the run did not finish."""
    log, watched, stopped = scratch / "log.txt", scratch / "progress.jsonl", scratch / "stopped.json"
    stopped.unlink(missing_ok=True)
    command = launch.command(environments.python("train"), config)
    with (
        open(log, "wb") as output,
        children.child(command, environments.silent(**launch.environment()), output, GRACE_SECONDS, lock) as process,
        tqdm(unit="step", desc="train", dynamic_ncols=True) as bar,
    ):
        lines: list[dict] = []
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
            if len(found := read(watched)) > len(lines):
                show(bar, lines := found)
        lines = read(watched)
        show(bar, lines)  # the last evaluation is logged after the last step
    if stopped.exists():
        raise UserError(read_json(stopped)["reason"])
    # Axolotl saves and exits 0 on Ctrl-C: only the plugin's mark, written last, says that training reached its end.
    if process.returncode != 0 or not (scratch / "finished.json").exists():
        if reason := lost(log.read_text(encoding="utf-8", errors="replace"), launch.hosts):
            raise UserError(f"{reason}; the next run goes on from the newest whole checkpoint. The log: {log}")
        raise UserError(f"training did not finish (exit status {process.returncode}). The end of {log}:\n{children.last_lines(log)}")
    return lines


def lost(log: str, hosts: int) -> str | None:
    """Which of several processes is gone, by the log's report of torchrun and gloo; None where none is."""
    if found := re.search(r"rank +: (\d+) .*\n +exitcode +: -9 ", log):
        return f"training process {found[1]} was killed (SIGKILL: by hand, or by the kernel for want of memory), and the others were ended"
    if hosts > 1 and (found := re.search(r"Connection (?:closed|reset) by peer \[(.+?)\]", log)):
        return f"the training processes at {found[1]} are gone: that host's stage says why. Start every host again"
    return None


def show(bar: tqdm, lines: list[dict]) -> None:
    """Move the bar to the last step and write the curves so far."""
    if not lines:
        return
    bar.total = lines[-1]["steps"]
    losses = [line["loss"] for line in lines if "loss" in line]
    evals = [line["eval_loss"] for line in lines if "eval_loss" in line]
    bar.set_postfix({k: f"{v[-1]:.3f}" for k, v in (("loss", losses), ("eval", evals)) if v}, refresh=False)
    bar.update(lines[-1]["step"] - bar.n)
    for path, text in progress.curves(lines).items():
        write_text(path, text)
