"""Why something is not kept."""

from __future__ import annotations


class Fault(ValueError):
    """A record that cannot be a chat: the rule, what was found and what was expected, as rejects.jsonl has them.

    It never quotes the record, which may be somebody's chat without their consent.
    """

    def __init__(self, rule: str, found: str, expected: str):
        super().__init__(f"{rule}: {found}; expected {expected}")
        self.rule, self.found, self.expected = rule, found, expected

    def at(self, file: str, line: int) -> dict:
        """One line of rejects.jsonl."""
        return {"file": file, "line": line, "rule": self.rule, "found": self.found, "expected": self.expected}
