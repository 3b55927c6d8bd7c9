"""Has users' chats left out for ever, and deletes what was made from them.

    python -m tools.forget add < ids.txt     # ids of users or chats, one a line; asks for them where standard input is a terminal
    python -m tools.forget purge [--yes]     # deletes all data and models of earlier runs

`add` takes no id from the command line, which the shell writes down. From then on curate leaves their chats out, and `dvc repro` makes data and
models without them; what earlier runs wrote lies in the cache until `purge`.

`purge` deletes rather than searches: a chat cannot be told apart within a trained model. Each of its steps can be done twice, so after an
interruption it is run again.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.common import environments, forgetting
from stages.common.errors import UserError, run
from stages.common.files import write_text

if TYPE_CHECKING:
    from dvc.repo import Repo

LOCK = Path("dvc.lock")
# Base models and what is known about them: they come from elsewhere and no chat is in them.
KEPT_STATE = {"models", "inspect"}


def add() -> None:
    """Read ids from standard input, add their hashes, say how many are new."""
    if sys.stdin.isatty():
        print("ids of users or chats, one a line, then Ctrl-D:", file=sys.stderr)
    try:
        ids = [line for line in sys.stdin.read().split("\n") if line.strip()]
    except UnicodeDecodeError as error:
        raise UserError(f"standard input: not UTF-8: byte {error.object[error.start]:#x}") from None
    new = forgetting.add(forgetting.FILE, ids)
    print(
        f"{new} of {len(ids)} ids new in {forgetting.FILE}; `dvc repro` leaves their chats out, `python -m tools.forget purge` deletes what earlier runs wrote"
    )


@dataclass(frozen=True)
class Plan:
    """What a purge deletes, and what it keeps."""

    stages: frozenset[str]
    """The stages that read data/, themselves or through others: what the others write holds no chat."""
    kept_stages: frozenset[str]
    outs: tuple[Path, ...]
    kept_outs: tuple[Path, ...]
    cache: Path
    run_cache: Path
    experiments: Path
    remotes: dict[str, str]
    """Name and URL."""


def plan_of(repo: Repo) -> Plan:
    """Read from dvc.yaml, dvc.lock and DVC's settings."""
    root = Path(repo.root_dir)
    stages = {stage.addressing: stage for stage in repo.index.stages if stage.cmd}
    data = str(root / "data") + os.sep
    purged: set[str] = set()
    tainted: list[str] = [data]
    while found := {
        name
        for name, stage in stages.items()
        if name not in purged and any(_inside(dep.fs_path, folder) or _inside(folder, dep.fs_path) for dep in stage.deps for folder in tainted)
    }:
        purged |= found
        tainted += [out.fs_path for name in found for out in stages[name].outs]
    # Metrics and plots are git's: small, and overwritten by the next run.
    outs = {
        name: [Path(out.fs_path).relative_to(root) for out in stage.outs if not out.metric and not out.plot or out.use_cache] for name, stage in stages.items()
    }
    return Plan(
        stages=frozenset(purged),
        kept_stages=frozenset(stages) - purged,
        outs=tuple(sorted(path for name in purged for path in outs[name])),
        kept_outs=tuple(sorted(path for name in stages.keys() - purged for path in outs[name])),
        cache=Path(repo.cache.legacy.path),
        run_cache=Path(repo.stage_cache.cache_dir),
        experiments=Path(repo.tmp_dir) / "exps",
        remotes={name: str(settings["url"]) for name, settings in sorted(repo.config["remote"].items())},
    )


def _inside(path: str, folder: str) -> bool:
    return f"{path}{os.sep}".startswith(folder.rstrip(os.sep) + os.sep)


def announce(plan: Plan) -> None:
    """Say what is going to be deleted and what that costs."""
    state = environments.state()
    print("This deletes all data and all models that this project's pipeline has ever written, not only what was made from forgotten chats:")
    print(f"  in the workspace: {', '.join(map(str, plan.outs))}, and their entries in {LOCK}")
    print(f"  in {state}: everything but {' and '.join(sorted(KEPT_STATE))}; a teacher's answers that were paid for are asked and paid again")
    print(f"  in DVC's cache {plan.cache}: all that the workspace does not use, older versions of data/raw too; all of the run cache")
    if not plan.cache.resolve().is_relative_to(Path.cwd().resolve()):
        print("    this cache lies outside the project: what other projects keep in it is deleted too")
    for name, url in plan.remotes.items():
        print(f"  in DVC's remote {name} ({url}): the same, and what other projects keep in it")
    print(f"  in {plan.experiments}: the copies in which experiments run, and the queue of experiments")
    print(
        "It keeps data/raw as it is: take forgotten chats out of the exports first (`dvc add` where DVC tracks them). The next `dvc repro` runs it all again."
    )


def confirm() -> None:
    """Raise UserError where the answer is not yes."""
    try:
        answer = input("Type yes to delete it: ")
    except EOFError:
        answer = ""
    if answer.strip() != "yes":
        raise UserError("nothing was deleted: the answer was not yes (--yes answers it)")


def refuse_foreign_state() -> None:
    """Raise UserError where the machine's state is another checkout's, whose Python this is, and nobody named it on purpose."""
    state = environments.state().resolve()
    if "DRAMATIS_STATE" not in os.environ and not state.is_relative_to(Path.cwd().resolve()):
        raise UserError(
            f"this Python belongs to another checkout, whose state {state} would be purged: use this one's .venv, or name a folder in DRAMATIS_STATE"
        )


def refuse_while_running(plan: Plan) -> None:
    """Raise UserError where DVC runs a stage, here or in a copy for experiments: it would write back what is deleted."""
    for lock in [plan.experiments.parent / "rwlock", *plan.experiments.rglob("rwlock")]:
        try:
            held = json.loads(lock.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        for holder in [*held.get("write", {}).values(), *(one for many in held.get("read", {}).values() for one in many)]:
            if Path("/proc", str(holder["pid"])).exists():
                raise UserError(f"`{holder['cmd']}` is running (process {holder['pid']}): nothing was deleted; wait for it to end, or end it")


def delete(path: Path) -> None:
    """Delete a file, a link or a whole folder; it may be gone already."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def delete_from_workspace(plan: Plan) -> None:
    """The outs, what a killed run left half-written beside them, this machine's state, and experiments' copies."""
    for out in plan.outs:
        for path in [out, *out.parent.glob(f".{out.name}.*.part")]:
            delete(path)
    for path in environments.state().iterdir():
        if path.name not in KEPT_STATE:
            delete(path)
    delete(plan.experiments)


def drop_from_lock(plan: Plan) -> None:
    """Take the stages out of dvc.lock: DVC's garbage collection keeps what it names. The entries of stages that are kept stay as they are."""
    if not LOCK.exists():
        return
    yaml = YAML()
    lock = yaml.load(LOCK)
    kept = {name: entry for name, entry in lock["stages"].items() if name in plan.kept_stages}
    if len(kept) == len(lock["stages"]):
        return
    if not kept:
        LOCK.unlink()
        return
    lock["stages"] = kept
    text = io.StringIO()
    yaml.dump(lock, text)
    write_text(LOCK, text.getvalue())


def collect_garbage(repo: Repo, plan: Plan) -> list[str]:
    """Empty the cache and every remote of what the workspace does not use, of run caches and of half-written files. Returns the remotes that failed."""
    print("emptying the cache", flush=True)
    delete(plan.run_cache)
    if not collected("gc", "--workspace", "--force"):
        raise UserError("`dvc gc --workspace --force` failed (its message stands above): mend what it names and run the purge again")
    for left in plan.cache.rglob("*.tmp"):
        delete(left)
    failed = []
    for name in plan.remotes:
        print(f"emptying remote {name}", flush=True)
        done = collected("gc", "--workspace", "--cloud", "--remote", name, "--force")
        try:
            odb = repo.cloud.get_remote_odb(name, "purge", hash_name="md5-dos2unix")
            runs = odb.fs.join(odb.path, "runs")
            if odb.fs.exists(runs):
                odb.fs.remove(runs, recursive=True)
            for left in [path for path in odb.fs.find(odb.path) if path.endswith(".tmp")]:
                odb.fs.remove(left)
        except Exception as error:  # each kind of storage fails in its own way
            print(error, file=sys.stderr)
            done = False
        if not done:
            failed.append(name)
    return failed


def collected(*arguments: str) -> bool:
    """Whether DVC's garbage collection succeeded; its messages are shown only where not, since it warns of every out that was deleted just now."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], env={**os.environ, "DVC_NO_ANALYTICS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        print(done.stdout, file=sys.stderr, end="")
    return done.returncode == 0


def git(*arguments: str) -> list[str]:
    """The lines that git prints; none where it fails, as it does outside a repository."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    return done.stdout.splitlines() if done.returncode == 0 else []


def hashes_of(lock: str, plan: Plan) -> dict[str, str]:
    """Path and hash of what the purged stages wrote, in the text of a dvc.lock; of a stage that is no more, too."""
    try:
        stages = (YAML(typ="safe").load(lock) or {}).get("stages", {})
    except YAMLError:
        return {}
    outs = [out for name, entry in stages.items() if name not in plan.kept_stages for out in entry.get("outs", [])]
    return {out["path"]: out.get("md5", "?") for out in outs if not out["path"].startswith(("metrics/", "plots/"))}


def tell_what_is_left(plan: Plan) -> None:
    """Say where the deleted data or traces of it may lie still, and which commands end that."""
    others = git("ls-files", "--others", "--ignored", "--exclude-standard", "--", *sorted({str(out.parent) for out in plan.outs}))
    section(
        "Files that no stage writes, beside those that were deleted; look into them and delete them:",
        [name for name in others if Path(name).parts[0] in ("data", "models", "reports") and not any(Path(name).is_relative_to(out) for out in plan.kept_outs)],
    )
    section(
        "Exports, which purge does not touch. Where forgotten chats stand in them: take them out, `dvc add` what DVC tracks, and purge again:",
        [
            str(path)
            for path in sorted(Path("data/raw").rglob("*"))
            if path.is_file() and path.name not in (forgetting.FILE.name, ".gitignore") and path.suffix != ".dvc"
        ],
    )
    tell_of_history(plan)
    tell_of_experiments()


# Beside exports git keeps these of data/raw, which hold no chat.
NO_EXPORT = (":(exclude)data/raw/README.md", ":(exclude)data/raw/.gitignore", f":(exclude){forgetting.FILE}", ":(exclude,glob)data/raw/**/*.dvc")


def tell_of_history(plan: Plan) -> None:
    """The commits and tags that name what was deleted, the models among it, and the figures in git."""
    commits, models = [], {}
    exports = git("log", "--all", "--full-history", "--format=%h %cs", "--", "data/raw", *NO_EXPORT)
    section(
        "Commits that hold exports themselves, whole chats: git keeps them until the history is rewritten, for everybody and for good:",
        exports and [*exports, "git filter-repo --invert-paths --path data/raw    # or the paths of the exports alone; git-filter-repo is a tool of its own"],
    )
    for line in git("log", "--all", "--full-history", "--format=%h%x09%cs%x09%D", "--", str(LOCK)):
        commit, day, names = line.split("\t")
        if hashes := hashes_at(commit, plan):
            commits.append(f"{commit} {day}" + (f" ({names})" if names else ""))
        for path, md5 in hashes.items():
            if path.startswith("models/"):
                models.setdefault((path, md5), []).append(f"commit {commit}")
    for tag in git("tag"):
        for model in hashes_at(tag, plan).items():
            if model in models:
                models[model].append(f"tag {tag}")
    section(
        f"Commits that changed {LOCK} and name in it what was deleted. They hold hashes and figures, no chat:",
        commits
        and [
            *commits,
            "A clone, cache or remote in which those hashes still lie gives the chats back: delete every other clone with its .dramatis, clone anew.",
        ],
    )
    section(
        "Models of those commits. Copies that were pulled or published or are served elsewhere must be deleted there:",
        [f"{path} {md5}: {', '.join(places)}" for (path, md5), places in models.items()],
    )
    figures = git("ls-files", "--", "metrics", "plots", "reports")
    section("Figures of earlier runs in git; `dvc repro` overwrites them, the history keeps them:", figures)
    if commits:
        print("  to take hashes and figures out of the history, for everybody and for good (git-filter-repo, a tool of its own):")
        print(f"  git filter-repo --invert-paths --path {LOCK} --path metrics --path plots --path reports")


def hashes_at(revision: str, plan: Plan) -> dict[str, str]:
    """As `hashes_of`, of the dvc.lock of a commit or tag."""
    return hashes_of("\n".join(git("show", f"{revision}:{LOCK}")), plan)


def tell_of_experiments() -> None:
    """DVC's experiments and its queue are git refs: they hold what a commit holds."""
    refs = git("for-each-ref", "--format=%(refname)", "refs/exps")
    names = sorted({ref.split("/")[4] for ref in refs if ref.count("/") == 4})
    commands = [f"git update-ref -d {ref}" for ref in refs if ref.count("/") != 4]
    if names:
        commands += [f"dvc exp remove --git-remote {remote} NAME    # each of them that was pushed" for remote in git("remote")]
        commands += [f"dvc exp remove {' '.join(names)}"]
    section(
        "DVC's experiments, which git keeps as refs; these commands remove them:",
        refs and [*commands, "git reflog expire --expire=now --all && git gc --prune=now"],
    )


def section(title: str, lines: Iterable[str]) -> None:
    """Print a title with its lines below; nothing where there are none."""
    if lines := list(lines):
        print(f"\n{title}")
        for line in lines:
            print(f"  {line}")


def purge(yes: bool) -> None:
    """Delete, then say what is left. Raises UserError where a remote could not be purged."""
    if not Path("dvc.yaml").exists() or not Path(".dvc").is_dir():
        raise UserError("no dvc.yaml and .dvc here: run this in the project's folder")
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            plan = plan_of(repo)
            refuse_foreign_state()
            refuse_while_running(plan)
            announce(plan)
            if not yes:
                confirm()
            delete_from_workspace(plan)
            drop_from_lock(plan)
            failed = collect_garbage(repo, plan)
    except DvcException as error:
        raise UserError(f"DVC cannot read this project: {error}") from None
    tell_what_is_left(plan)
    if failed:
        raise UserError(f"remote {', '.join(failed)}: not purged (the message stands above): run the purge again when it can be reached and written to")
    print(f"\nDone. Commit {LOCK}; `dvc repro` makes data and models again, without the forgotten chats.")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.forget", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("add", help="read ids of users or chats from standard input: their chats are left out from now on")
    commands.add_parser("purge", help="delete all data and models of earlier runs").add_argument("--yes", action="store_true", help="do not ask")
    given = parser.parse_args()
    if given.command == "add":
        add()
    else:
        purge(given.yes)


if __name__ == "__main__":
    run(main)
