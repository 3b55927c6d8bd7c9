"""A pickle that does something to whoever opens it."""

from __future__ import annotations

import os
from pathlib import Path


class Bomb:
    """Whoever unpickles it makes the folder `marker`."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.marker),)
