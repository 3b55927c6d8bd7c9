"""The stage runs in a project of the test's own."""

from tests.project import project  # noqa: F401
