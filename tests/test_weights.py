"""Runs tests/weights inside .venv-train, the only environment that has torch."""

import subprocess
import sysconfig
from pathlib import Path

import pytest

from stages.common import environments

ROOT = Path(__file__).resolve().parents[1]
# What the training environment lacks for tests comes from ours, and nothing else does: half of a package there and half of it here is neither.
OURS = ("pytest", "_pytest", "py.py", "pluggy", "iniconfig", "ruamel", "jsonschema_rs")
START = "import sys; sys.path.append(sys.argv[1]); import pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', *sys.argv[2:]]))"


@pytest.mark.slow
def test_the_tests_of_the_weights_pass_in_the_training_environment(tmp_path: Path) -> None:
    for name in OURS:
        (tmp_path / name).symlink_to(Path(sysconfig.get_paths()["purelib"]) / name)
    done = subprocess.run(
        [environments.python("train"), "-c", START, str(tmp_path), "tests/weights"],
        cwd=ROOT,
        env=environments.silent(DRAMATIS_TESTING_WEIGHTS="1", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
