"""`python -m stages.weights.download REPOSITORY REVISION`: a hub model's safetensors, config and tokenizer into the hub's cache."""

from __future__ import annotations

import sys

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from stages.common.errors import UserError, run


def main() -> None:
    repository, revision = sys.argv[1:3]
    try:
        snapshot_download(
            repository, revision=revision, allow_patterns=["*.json", "*.jinja", "*.safetensors", "tokenizer.model"], ignore_patterns=["original/*"]
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(f"{repository} at {revision} cannot be had from the hub: {error}") from None


if __name__ == "__main__":
    run(main)
