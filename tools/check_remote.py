"""Reads every file of this commit from the remote and holds it against its hash: `python -m tools.check_remote [-r REMOTE]`.

`dvc push` takes a file that is there for a whole one (DVC 3.67), so a damaged one stays damaged. Here it is deleted, and so is the listing of the folder that it
stands in; then `dvc push` on a machine that has the file sends it again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stages.common.errors import UserError, run

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc_data.hashfile.db import HashFileDB

Found = Iterator[tuple[str, str | None]]


def check(remote: str | None) -> tuple[int, list[str]]:
    """(files read, one line for each that is damaged or missing). Raises UserError where the remote cannot be read."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            odb = repo.cloud.get_remote_odb(remote, "check")
            outs = [out for out in repo.index.outs if out.use_cache and out.can_push and out.hash_info]
            found = [one for out in outs for one in looked_at(odb, out)]
    except (DvcException, OSError) as error:
        raise UserError(f"the remote cannot be read: {error}") from None
    return len(found), [f"{path}: {fault}" for path, fault in found if fault]


def looked_at(odb: HashFileDB, out: Output) -> Found:
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
    from dvc_objects.errors import ObjectFormatError

    try:
        odb.check(name)
    except ObjectFormatError:
        return "damaged, and now deleted there"
    except FileNotFoundError:
        return "missing"
    return None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.check_remote", description=__doc__.partition(":")[0])
    parser.add_argument("-r", "--remote", help="its name in `dvc remote list`; the default one if left out")
    read, faults = check(parser.parse_args().remote)
    if faults:
        raise UserError(f"{len(faults)} of {read} files on the remote: {'; '.join(faults)}. `dvc push` on a machine that has them sends them again")
    print(f"{read} files on the remote, all whole")


if __name__ == "__main__":
    run(main)
