"""What is to be known of a base model to plan with it: the one in models/base, or, before its gigabytes are fetched, the hub's own description of it."""

from __future__ import annotations

import os
from pathlib import Path

from stages.common import base_models, children, environments
from stages.common.errors import UserError
from stages.common.files import read_json
from stages.filter.context import Context
from tools.plan.model_shape import Shape, shape

BASE = Path("models/base")


def of_base(reference: str, revision: str | None, limit: int) -> tuple[Shape, Context]:
    """Shape and tokenizer, with the most tokens that a chat may have. Raises UserError where neither models/base nor the hub has them."""
    here = BASE / "manifest.json"
    if here.exists() and read_json(here)["reference"] == reference:
        return of_folder(BASE, limit)
    if base_models.kind(reference) == "hub":
        if not base_models.COMMIT.fullmatch(revision or ""):
            raise UserError(f"base_model {reference} is a hub id: base_model_revision must be the 40 hex digits of a commit, found {revision!r}")
        with environments.scratch("described") as scratch:
            children.run(
                [environments.python("train"), "-m", "tools.plan.hub_files", reference, str(revision), str(scratch)],
                environments.silent(HF_HUB_OFFLINE=os.environ.get("HF_HUB_OFFLINE", "0")),
                environments.state("logs") / "described.log",
            )
            return of_folder(scratch, limit)
    if not here.exists():
        raise UserError(f"{here}: no such file; `dvc repro split` makes it (base brings the model, split the chats)")
    raise UserError(
        f"models/base holds {read_json(here)['reference']}, and base_model is {reference}, whose config.json and tokenizer are not here to plan by: "
        "`dvc repro split` brings them, with the weights, and makes the splits"
    )


def of_folder(folder: Path, limit: int) -> tuple[Shape, Context]:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if not (folder / name).exists():
            raise UserError(f"{folder / name}: no such file; `dvc repro split` makes it (base brings the model, split the chats)")
    return shape(read_json(folder / "config.json")), Context(folder, limit)
