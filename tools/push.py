"""Pushes what this machine has run so that no other machine needs to run it: `python -m tools.push [-r REMOTE]`.

`dvc push --run-cache` alone sends the record of each run, its cached outs where dvc.lock names them, but not the metrics and plots that git keeps
(`cache: false`); a machine whose dvc.lock does not know the run then finds them nowhere and runs the stage again (DVC 3.67).
"""

from __future__ import annotations

import argparse

from stages.common.errors import UserError, run


def push(remote: str | None) -> int:
    """Push the workspace's outs, the run-cache and every file of the runs in it; returns how many objects went. Raises UserError where some did not."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.stage.cache import RunCacheNotSupported

    try:
        with Repo() as repo:
            sent = repo.push(remote=remote)
            with repo.lock:
                recorded = repo.stage_cache.push(remote)
                for objects in repo.stage_cache.get_used_objs(recorded, remote=remote).values():
                    transferred, failed = repo.cloud.push(objects, remote=remote)
                    if failed:
                        raise UserError(f"{len(failed)} files of earlier runs could not be pushed; push again")
                    sent += len(transferred)
            return sent
    except RunCacheNotSupported as error:
        raise UserError(f"this remote takes no run-cache: {error}; `dvc push` has pushed the rest") from None
    except DvcException as error:
        raise UserError(str(error)) from None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.push", description=__doc__.partition(":")[0])
    parser.add_argument("-r", "--remote", help="its name in `dvc remote list`; the default one if left out")
    print(f"{push(parser.parse_args().remote)} files pushed")


if __name__ == "__main__":
    run(main)
