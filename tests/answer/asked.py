"""Parameters with which the tests ask the arms and the visitor."""

from __future__ import annotations

VISITOR = {"answer.visitor.base_url": None, "answer.visitor.api_key_env": "TALKS_TEST_KEY", "answer.visitor.model": None}
PARAMETERS = {
    "answer.temperature": 0.7,
    "answer.seeds": 1,
    "answer.min_p": 0.05,
    "answer.top_p": 0.9,
    "answer.max_tokens": 160,
    "answer.concurrency": 8,
} | VISITOR
