"""The keys that stood in the environment of the whole run are in nothing that it wrote: not in git, dvc.lock, DVC's caches, logs, reports, models or the machine's state."""

from __future__ import annotations

import pytest

from stages.common import environments
from tests.security.planted import OTHERS, found, places

pytestmark = pytest.mark.slow


def test_no_key_of_the_environment_is_in_anything_that_a_whole_run_wrote(clone):
    written = places(clone.folder, environments.state(), since=clone.began - 1)
    for place in (".git/objects", ".dvc/cache", "dvc.lock", "reports", "metrics", "models/merged", "data/synthetic"):
        assert any(path.is_relative_to(clone.folder / place) for path in written), f"nothing was looked at in {place}"
    assert found(list(OTHERS.values()), clone.folder, environments.state(), said=clone.log, since=clone.began - 1) == []
