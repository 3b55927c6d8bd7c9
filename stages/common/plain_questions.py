"""Plain questions with exact answers: what is asked of the bare models, without a character, so that it shows what training made them forget."""

from __future__ import annotations

from pathlib import Path

from stages.common.prompt_files import records

FILE = Path("data/prompts/plain.jsonl")
EXAMPLES = (
    ("What is 10 plus 8? Answer with the number only.", "18"),
    ("What is the capital of Portugal? Answer with one word.", "Lisbon"),
    ('What is the opposite of "wet"? Answer with one word.', "dry"),
    ("How many hours are there in a day? Answer with the number only.", "24"),
)
"""What stands before every question as if it had been asked and answered: without it a small model answers in sentences, and nothing can be matched."""


def read(path: str | Path = FILE) -> list[dict]:
    """The questions of a file in its order: "id", "topic", "prompt" and the accepted "answers".

    Raises UserError with file and line where a line does not fit schemas/plain-question.schema.json or has an id that was there before, or where there is none.
    """
    return [question for _, question in records(path, "plain-question", "question")]


def messages(question: dict) -> list[dict[str, str]]:
    """What a model is sent: EXAMPLES in turn, then the question, without a system turn."""
    turns = [turn for asked, given in EXAMPLES for turn in ({"role": "user", "content": asked}, {"role": "assistant", "content": given})]
    return [*turns, {"role": "user", "content": question["prompt"]}]
