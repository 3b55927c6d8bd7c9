"""Runs tests/weights inside .venv-train, the only environment that has torch."""

import subprocess
import sysconfig
from pathlib import Path

import pytest

from stages.common import environments

ROOT = Path(__file__).resolve().parents[1]
START = f"from tests.lent import lend; lend({sysconfig.get_paths()['purelib']!r}); import pytest; raise SystemExit(pytest.main(['-q', '-p', 'no:cacheprovider', 'tests/weights']))"


@pytest.mark.slow
def test_the_tests_of_the_weights_pass_in_the_training_environment():
    done = subprocess.run(
        [environments.python("train"), "-c", START],
        cwd=ROOT,
        env=environments.silent(DRAMATIS_TESTING_WEIGHTS="1", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
