"""Hands a published folder to the hub, in one commit: whoever takes the model finds all of it, or what was there before."""

from __future__ import annotations

import json
import os
from pathlib import Path

import httpx2  # what huggingface_hub speaks through
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError

from stages.common.base_models import HUB
from stages.common.errors import UserError

TOKEN = "HF_TOKEN"
WEIGHTS = (".safetensors", ".safetensors.index.json", ".gguf")  # of an earlier version these would be loaded beside this one's


def upload(folder: Path, repository: str, public: bool) -> str:
    """The address of the commit. The repository is made where there is none, and is private unless `public`.

    What has arrived is not sent again: an upload that broke off is repeated by the same command. Raises UserError, in which the token never stands.
    """
    secret = token(repository)
    hub = HfApi(token=secret)
    try:
        return commit(hub, folder, repository, public)
    except (json.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise UserError(f"{repository} at {hub.endpoint}: answers as no hub does ({type(error).__name__}); HF_ENDPOINT names the hub") from None
    except (HfHubHTTPError, httpx2.HTTPError, OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{repository} at {hub.endpoint}: {why(error)}".replace(secret, "***")) from None


def token(repository: str) -> str:
    """The token to upload with. Raises UserError where there is none, or `repository` is no id of a model's."""
    if not HUB.fullmatch(repository):
        raise UserError(f"--upload {repository}: expected ORG/NAME, a model's id on the hub")
    if not (found := os.environ.get(TOKEN)):
        raise UserError(f"--upload {repository}: {TOKEN} is not set; make a token that may write (https://huggingface.co/settings/tokens) and export it")
    return found


def commit(hub: HfApi, folder: Path, repository: str, public: bool) -> str:
    """As `upload`, by a client that knows the token."""
    hub.create_repo(repository, private=not public, exist_ok=True)
    there = hub.model_info(repository)
    if not public and not there.private:
        raise UserError(f"{repository} is there already, and public: say --public, or make it private first")
    files = {path.name: path for path in sorted(folder.iterdir())}
    stale = [one.rfilename for one in there.siblings or [] if one.rfilename.endswith(WEIGHTS) and one.rfilename not in files]
    operations = [CommitOperationDelete(name) for name in stale] + [CommitOperationAdd(name, path) for name, path in files.items()]
    return hub.create_commit(repository, operations, commit_message=f"{folder.name}, published by Dramatis").commit_url


def why(error: BaseException) -> str:
    """One sentence on what stopped an upload: the first answer of the hub's that stands behind it, else the last thing that broke."""
    causes = [error]
    while causes[-1].__cause__:
        causes.append(causes[-1].__cause__)
    said = " ".join(str(causes[-1]).split())[:300] or type(causes[-1]).__name__
    refused = next((one for one in causes if isinstance(one, HfHubHTTPError)), None)
    if refused is None:
        return f"the connection broke ({said}); the same command goes on from what has arrived"
    match refused.response.status_code:
        case 401:
            return f"the hub does not know the token in {TOKEN}; make a new one"
        case 403:
            return f"the token in {TOKEN} may not write there; it needs the right to write to that organisation's models"
        case status:
            return f"the hub refuses it ({status}): {refused.server_message or said}"
