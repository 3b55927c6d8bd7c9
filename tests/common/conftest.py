"""Waits of the client are short, and a store of answers is at hand."""

from tests.common.asking import quick, store  # noqa: F401
