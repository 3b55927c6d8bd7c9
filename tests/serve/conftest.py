"""The tiny model, once for all tests of serving."""

from tests.tiny_base import tiny_base  # noqa: F401  (a fixture)
