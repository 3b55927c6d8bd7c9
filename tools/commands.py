"""Other programs of this project's environment, asked for what they know."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from stages.common.errors import UserError

COMPLAINT = re.compile(r"^ERROR: (?:failed to [\w ]+ - )?(.*)", re.MULTILINE)  # as DVC says what is wrong


def said(*command: str) -> str:
    """What a command prints; `dvc` and `gto` are those beside the running Python. Raises UserError with its complaint where it fails."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        complaint = COMPLAINT.search(done.stderr)
        told = complaint[1] if complaint else " ".join((done.stderr or done.stdout).split())[-300:]
        raise UserError(f"{' '.join(command[:3])}: {told or f'ended with status {done.returncode}'}")
    return done.stdout.strip()
