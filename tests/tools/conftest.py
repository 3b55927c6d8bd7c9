"""The stage runs in a project of the test's own; the teacher's plan in Holmes's."""

from tests.project import project  # noqa: F401
from tests.synthesize.holmes import curated  # noqa: F401
