"""`python -m tools.plan.hub_files REPOSITORY REVISION FOLDER`: what a plan needs of a hub model: config, tokenizer and template, a few megabytes and no weights."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from stages.common.errors import UserError, run

NEEDED = ("config.json", "tokenizer.json", "tokenizer_config.json")
TEMPLATE = "chat_template.jinja"


def main() -> None:
    repository, revision, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    try:
        source = Path(snapshot_download(repository, revision=revision, allow_patterns=[*NEEDED, TEMPLATE]))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"{repository} at {revision}: its config.json and tokenizer are not here to plan by (`dvc repro base` brings them, with the weights), and cannot be had from the hub: {error}"
        ) from None
    if missing := [name for name in NEEDED if not (source / name).exists()]:
        raise UserError(f"{repository} at {revision} has no {missing[0]}; expected {', '.join(NEEDED)}")
    for name in NEEDED:
        shutil.copyfile(source / name, folder / name)
    (folder / TEMPLATE).write_text(template(source), encoding="utf-8")


def template(source: Path) -> str:
    """The chat template: a file of its own, or in tokenizer_config.json, as older models have it. Raises UserError where there is none."""
    if (source / TEMPLATE).exists():
        return (source / TEMPLATE).read_text(encoding="utf-8")
    found = json.loads((source / "tokenizer_config.json").read_text(encoding="utf-8")).get("chat_template")
    if isinstance(found, list):  # several by name
        found = next((one["template"] for one in found if one["name"] == "default"), None)
    if not isinstance(found, str):
        raise UserError("the model has no chat template; Dramatis trains instruct models only")
    return found


if __name__ == "__main__":
    run(main)
