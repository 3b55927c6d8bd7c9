"""`python -m tools.publish merged|adapter [--force METRIC ...] [--tag VERSION] [--upload ORG/NAME [--public]]`: a model as others get it, in published/NAME.

The folder has the model's files, a model card (README.md), training_data.jsonl with the hash of every training chat, and SHA256SUMS. Refused where the gate is
closed (metrics/gate.json), but for bounds that are forced by their metrics' names, and where the model is not the one that was measured (`dvc status`).
`--tag v1.0.0` registers the version of the commit as `gto register` does, a git tag, which `dvc get --rev` and `dvc artifacts get` know.
`--upload ORG/NAME` hands the folder to the hub, to a private repository unless `--public`, with the token in HF_TOKEN; HF_ENDPOINT names another hub.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from stages.common import characters, chats, environments
from stages.common.errors import UserError, run
from stages.common.files import new_folder, read_json, write_jsonl, write_text
from stages.common.params import read_yaml
from stages.evaluate import gate
from stages.merge.card import sources
from stages.merge.ollama import sampling
from stages.merge.sums import SUMS, write_sums
from tools.commands import said
from tools.publish.card import Model, model_card
from tools.publish.provenance import manifest

NAMES = ("merged", "adapter")
VERSION = re.compile(r"v\d+\.\d+\.\d+([-+][0-9A-Za-z.-]+)?")
MEASURED = ("train", "answer", "evaluate", "merge")  # stages that must be as dvc.lock has them, or the figures are another model's


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.publish", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--force", action="append", default=[], metavar="METRIC", help="publish though this bound of the gate is not kept")
    parser.add_argument("--tag", metavar="VERSION", help="v1.0.0: a git tag by which others take the model")
    parser.add_argument(
        "--upload", metavar="ORG/NAME", help="hand it to the hub, with the token in HF_TOKEN; one that broke off is repeated by the same command"
    )
    parser.add_argument("--public", action="store_true", help="with --upload: for everybody to see")
    asked = parser.parse_args()
    if asked.public and not asked.upload:
        raise UserError("--public says who may see what --upload hands to the hub; name a repository there: --upload ORG/NAME")
    if asked.tag and not VERSION.fullmatch(asked.tag):
        raise UserError(f"--tag {asked.tag}: expected a version such as v1.0.0")
    folder = Path("published") / asked.name
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is there already, and no folder: move it away")
    forced = gate.refuse(asked.force)
    measured_here()
    if asked.upload:
        os.environ.update(environments.SILENCE)  # before the hub's library reads it
        from tools.publish import hub

        hub.token(asked.upload)
    registered = bool(asked.tag) and is_registered(asked.name, asked.tag)
    written(asked.name, forced, folder)
    print(
        f"{folder}: {len((folder / SUMS).read_text().splitlines())} files and their hashes, {sum(path.stat().st_size for path in folder.iterdir()) / 1e6:,.0f} MB"
    )
    for bound in forced:
        print(f"forced: {bound.told}")
    if asked.tag:
        if not registered:
            said("gto", "register", asked.name, "--version", asked.tag)
        print(f"git tag {asked.name}@{asked.tag}: `git push --tags` and `dvc push` hand it to others")
    if asked.upload:
        print(hub.upload(folder, asked.upload, asked.public))


def measured_here() -> None:
    """Raise UserError where the model in the workspace is not the one that dvc.lock, and so metrics/, is about."""
    found = json.loads(said("dvc", "status", "--json", *MEASURED))
    if found:
        raise UserError(f"{', '.join(sorted(found))}: not as in dvc.lock (`dvc status`): the figures are of another model. Run `dvc repro` first")


def is_registered(name: str, version: str) -> bool:
    """Whether this commit has the version already. Raises UserError where it cannot get it: another commit has it, or there are changes that no commit has."""
    if changed := said("git", "status", "--porcelain", "--untracked-files=no"):
        raise UserError(f"uncommitted changes ({changed.splitlines()[0].split()[-1]}): commit first, for a version is a commit's")
    tag = f"{name}@{version}"
    here = tag in said("git", "tag", "--points-at", "HEAD").splitlines()
    if not here and said("git", "tag", "--list", tag):
        raise UserError(f"{tag} is another commit's already (`git log {tag}`): a version never moves; choose the next one")
    return here


def written(name: str, forced: Sequence[gate.Bound], folder: Path) -> None:
    """The published folder: whole, or not there."""
    params, source = read_yaml("params.yaml"), Path("models") / name
    trained = chats.read("data/splits/train.jsonl")
    cards = characters.read_all()
    taught = sorted({chat["character"] for chat in trained} & cards.keys())
    model = Model(
        name,
        {cards[one]["name"]: characters.system_prompt(cards[one], params["curate"]["user"]) for one in taught},
        read_json("models/base/manifest.json"),
        params,
        sources(trained),
        read_json("metrics/evaluate.json"),
        gate.read(),
        forced,
        said("git", "rev-parse", "HEAD"),
        read_json("metrics/merge.json") if name == "merged" else None,
    )
    with new_folder(folder) as out:
        for path in sorted(source.iterdir()):
            if path.is_file():
                shutil.copyfile(path, out / path.name)
        for path in out.glob("Modelfile*"):
            write_text(path, path.read_text(encoding="utf-8") + sampling(params["answer"]))
        write_text(out / "README.md", model_card(model))
        write_jsonl(out / "training_data.jsonl", manifest(trained))
        write_sums(out)


if __name__ == "__main__":
    run(main)
