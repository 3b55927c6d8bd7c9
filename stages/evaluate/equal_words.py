"""The arms' answers cut to equal lengths: what is counted in words must not depend on who talks longer.

Distinct-n falls with the amount of text, and a short sample lies further from everything than a long one by chance alone. So of each turn every arm keeps as
many words, from its beginning, as the arm that said fewest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stages.common.whole_words import words_of

Replies = Sequence[Sequence[str]]
"""What one side said: for each prompt, or each chat, its replies, a turn each."""


def cut(said: Mapping[str, Replies]) -> dict[str, list[list[list[str]]]]:
    """For each arm, prompt and turn the words that are kept. Raises ValueError where the arms were not asked the same prompts over as many turns."""
    words = {arm: [[words_of(reply) for reply in replies] for replies in prompts] for arm, prompts in said.items()}
    kept: dict[str, list[list[list[str]]]] = {arm: [] for arm in said}
    for prompts in zip(*words.values(), strict=True):
        shortest = [min(map(len, turns)) for turns in zip(*prompts, strict=True)]
        for arm, replies in zip(said, prompts, strict=True):
            kept[arm].append([reply[:count] for reply, count in zip(replies, shortest, strict=True)])
    return kept
