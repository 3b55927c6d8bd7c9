"""The chats that curate makes of Holmes's gold, once for all tests of the stage."""

from tests.synthesize.holmes import curated  # noqa: F401
