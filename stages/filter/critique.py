"""What the teacher's critic made of a chat, where one was asked."""

from __future__ import annotations

from stages.filter.talk import Drop, Limits, Talk


def low(talk: Talk, limits: Limits) -> Drop | None:
    """The critic scored the chat low: the mean of its five scores, 1 to 5."""
    scores = [aspect["score"] for aspect in talk.chat.get("critique", {}).values()]
    if limits.min_critique is not None and scores and (mean := sum(scores) / len(scores)) < limits.min_critique:
        return Drop("critique.low", round(mean, 3), limits.min_critique)
    return None
