"""What `dvc push` leaves undone on a remote (DVC 3.67).

    python -m tools.remote push [-r REMOTE]      # `dvc push`, and all that other machines need to take over this machine's runs
    python -m tools.remote check [-r REMOTE]     # reads every file of this commit from the remote and holds it against its hash

`dvc push --run-cache` sends the record of each run, but not the metrics and plots that git keeps (`cache: false`). A machine whose dvc.lock does
not know the run finds them nowhere, and runs the stage again: `push` sends them too.

`dvc push` takes a file that is there for a whole one, so a damaged file, or half a file of a push that was cut over WebDAV, stays as it is. `check` deletes it
there, with the listing of the folder that it stands in; then `dvc push` on a machine that has the file sends it again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stages.common.errors import UserError, run

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc.repo import Repo
    from dvc_data.hashfile.db import HashFileDB


@contextmanager
def project() -> Iterator[Repo]:
    """The DVC project of this folder. Whatever fails in the block, a wrong key as well as a full disk, is a UserError."""
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            yield repo
    except UserError:
        raise
    except Exception as error:  # each kind of remote has a library, and each library exceptions, of its own
        raise UserError(f"remote: {' '.join(str(error).split()) or type(error).__name__}") from error


def push(remote: str | None) -> int:
    """Push the workspace's outs, the run-cache and the files of the runs in it; returns how many went. Raises UserError where some did not."""
    from dvc.stage.cache import RunCacheNotSupported

    with project() as repo:
        sent = repo.push(remote=remote)
        try:
            recorded = repo.stage_cache.push(remote)
        except RunCacheNotSupported as error:
            raise UserError(f"{error}; everything else was pushed") from None
        for objects in repo.stage_cache.get_used_objs(recorded, remote=remote).values():
            transferred, failed = repo.cloud.push(objects, remote=remote)
            if failed:
                raise UserError(f"{len(failed)} files of earlier runs were not pushed: push again")
            sent += len(transferred)
    return sent


def check(remote: str | None) -> tuple[int, list[str]]:
    """(files read, one line for each that is damaged or missing)."""
    with project() as repo:
        odb = repo.cloud.get_remote_odb(remote, "check")
        outs = [out for out in repo.index.outs if out.use_cache and out.can_push and out.hash_info]
        found = [one for out in outs for one in looked_at(odb, out)]
    return len(found), [f"{path}: {fault}" for path, fault in found if fault]


def looked_at(odb: HashFileDB, out: Output) -> Iterator[tuple[str, str | None]]:
    """(path, fault or None) of one out, and of each file in it where it is a folder."""
    from dvc_data.hashfile.tree import Tree

    fault = fault_of(odb, out.hash_info.value)
    yield str(out), fault
    if fault or not out.hash_info.isdir:
        return
    inside = [("/".join([str(out), *key]), fault_of(odb, info.value)) for key, _, info in Tree.load(odb, out.hash_info)]
    yield from inside
    if any(fault for _, fault in inside):
        odb.delete(out.hash_info.value)  # DVC takes all files of a listed folder for pushed


def fault_of(odb: HashFileDB, name: str) -> str | None:
    """What is wrong with one object of a remote; one whose content has another hash is deleted there."""
    from dvc_objects.errors import ObjectFormatError

    try:
        odb.check(name)
    except ObjectFormatError:
        return "damaged, and now deleted there"
    except FileNotFoundError:
        return "missing"
    return None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.remote", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, does in (("push", "push all that other machines need to take over this machine's runs"), ("check", "look for damaged and missing files")):
        commands.add_parser(name, help=does).add_argument("-r", "--remote", help="its name in `dvc remote list`; the default one if left out")
    given = parser.parse_args()
    if given.command == "push":
        print(f"{push(given.remote)} files pushed")
        return
    read, faults = check(given.remote)
    if faults:
        raise UserError(f"{len(faults)} of {read} files on the remote: {'; '.join(faults)}. `dvc push` on a machine that has them sends them again")
    print(f"{read} files on the remote, all whole")


if __name__ == "__main__":
    run(main)
