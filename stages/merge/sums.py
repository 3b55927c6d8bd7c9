"""The list of a folder's files with their hashes, as `sha256sum -c` reads it: what came elsewhere can be held to what was written here."""

from __future__ import annotations

from pathlib import Path

from stages.common.files import sha256, write_text

SUMS = "SHA256SUMS"


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS of all other files of a folder, by name. It comes last: a folder that lacks it is not whole."""
    write_text(folder / SUMS, "".join(f"{sha256(path)}  {path.name}\n" for path in sorted(folder.iterdir()) if path.name != SUMS))
