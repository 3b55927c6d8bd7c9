"""Where a training works until it is finished: one folder a run (config, data, base), which an interrupted run finds again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from stages.common import environments
from stages.common.files import sha256

UNFINISHED = 3  # folders of other runs that stay; of more, those that were begun or gone on with longest ago go


def key(config: Mapping, base: str, files: Sequence[str]) -> str:
    """16 hex digits for what a training depends on: its config, the fingerprint of the base, the contents of files."""
    asked = json.dumps([config, base, *map(sha256, files)], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()[:16]


@contextmanager
def scratch_folder(name: str) -> Iterator[tuple[Path, int]]:
    """The folder of a run, as the last attempt left it, and the lock that keeps it to one attempt at a time; removed when the block ends well.

    Axolotl writes much more than an adapter and truncates its log on every command: nothing of that belongs into a DVC out.
    """
    folder = environments.state("train") / name
    with environments.locked(folder) as lock:
        prune(folder)
        folder.mkdir(exist_ok=True)
        (folder / "begun").touch()
        shutil.rmtree(folder / "prepared", ignore_errors=True)  # a kill may have left half of it
        yield folder, lock
        shutil.rmtree(folder)


def prune(mine: Path) -> None:
    """Remove other runs' folders, all but the newest UNFINISHED, unless somebody works in them."""
    others = [path for path in mine.parent.iterdir() if path.is_dir() and path != mine]
    for path in sorted(others, key=begun, reverse=True)[UNFINISHED:]:
        with environments.locked(path, wait=False) as free:
            if free:
                shutil.rmtree(path, ignore_errors=True)


def begun(folder: Path) -> float:
    """When somebody last began to work in a folder, in seconds since 1970."""
    try:
        return (folder / "begun").stat().st_mtime
    except OSError:
        return 0.0
