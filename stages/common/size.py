"""What the guide says of so many chats."""

from __future__ import annotations

# The guide's table "How Much Data?", and its advice below it.
CLASSES = ((100, "fewer than the guide's table begins with"), (500, "minimal effect"), (2000, "noticeable improvement"), (10_000, "strong adaptation"))
ADVICE = "for character chat it starts with 1,000 to 3,000"


def size_class(chats: int) -> str:
    """The class of the guide's table for so many training chats, in its words."""
    return next((words for bound, words in CLASSES if chats < bound), "diminishing returns")


def sentence(training: int, asked: int) -> str:
    """How many chats there are for training at most, and what the guide expects of them."""
    most = training + asked
    return f"{asked} chats asked for beside {training} that people wrote: {most} for training at most. The guide says of that: {size_class(most)}; {ADVICE}."


def number(chats: int) -> int:
    """The class as a number for metrics: 0 below the table, 1 minimal, 2 noticeable, 3 strong, 4 diminishing returns."""
    return sum(chats >= bound for bound, _ in CLASSES)
