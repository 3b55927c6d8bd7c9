"""Shared by all tests."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

# tests/weights needs torch: it is collected in .venv-train only (see tests/test_weights.py).
collect_ignore = [] if os.environ.get("DRAMATIS_TESTING_WEIGHTS") else ["weights"]

# A shell's background job is deaf to Ctrl-C, and so is all that it starts; the tests send it to what they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A machine without a browser can still run the rest; CI, which installs one, fails without it."""
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))) and not os.environ.get("CI"):
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(reason="no chromium on the PATH (apt-get install chromium)"))
