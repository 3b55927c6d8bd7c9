"""The logs of children of several stages at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_of_two_that_run_at_once_with_one_log_each_tells_its_own_error(tmp_path: Path) -> None:
    code = "import os, sys\nfrom pathlib import Path\nfrom stages.common import children, errors\n"
    code += "errors.run(lambda: children.run(['sh', '-c', sys.argv[1]], dict(os.environ), Path('log.txt')))"

    def start(script: str) -> subprocess.Popen[str]:
        surroundings = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen([sys.executable, "-c", code, script], cwd=tmp_path, env=surroundings, stderr=subprocess.PIPE, text=True)

    with start("echo 'error: of the first'; while [ ! -e go ]; do sleep 0.1; done; exit 1") as first:
        while not any("first" in path.read_text() for path in tmp_path.glob("log*")):
            time.sleep(0.05)
        with start("echo 'error: of the second'; exit 1") as second:
            assert second.communicate(timeout=60)[1] == "error: of the second\n"
        (tmp_path / "go").touch()
        assert first.communicate(timeout=60)[1] == "error: of the first\n"
