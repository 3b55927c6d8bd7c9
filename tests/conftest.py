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
    """A machine without a browser, or without root, can still run the rest; CI, which has both, fails without them."""
    missing = {}
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        missing["browser"] = "no chromium on the PATH (apt-get install chromium)"
    if os.geteuid() != 0 or not shutil.which("ip"):
        missing["network"] = "not root, or no ip on the PATH (apt-get install iproute2)"
    if os.geteuid() != 0:
        missing["mount"] = "not root, who alone may mount a file system"
    for item in items if not os.environ.get("CI") else ():
        for marker in filter(item.get_closest_marker, missing):
            item.add_marker(pytest.mark.skip(reason=missing[marker]))
