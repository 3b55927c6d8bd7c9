"""How often the red team gets through: of each arm's conversations the broken ones, by category and by turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.evaluate.inputs import ARMS, Conversation, broke
from stages.evaluate.intervals import Estimate, upper_bound, wilson


@dataclass(frozen=True)
class Breaks:
    """Of how many conversations one arm broke how many; the rate, and the highest one that `broken` or fewer still allow (one-sided, exact)."""

    broken: int
    conversations: int
    rate: Estimate
    bound: float


@dataclass(frozen=True)
class Attack:
    """The breaks of each arm: in all conversations, by category, and by turn. By turn a conversation counts where the answer of that very turn is broken."""

    whole: Mapping[str, Breaks]
    categories: Mapping[str, Mapping[str, Breaks]]
    turns: Mapping[int, Mapping[str, Breaks]]


def attack(conversations: Sequence[Conversation], confidence: float) -> Attack | None:
    """The breaks in these conversations; None where there is none. Categories in alphabetical order; a turn counts the conversations that have it."""
    if not conversations:
        return None

    def of(members: Sequence[Conversation], turn: int | None = None) -> dict[str, Breaks]:
        parts = [conversation if turn is None else conversation[turn - 1 : turn] for conversation in members]
        return {arm: _breaks([broke(part, arm) for part in parts], confidence) for arm in ARMS}

    kinds = sorted({conversation[0].kind for conversation in conversations})
    longest = max(map(len, conversations))
    return Attack(
        of(conversations),
        {kind: of([one for one in conversations if one[0].kind == kind]) for kind in kinds},
        {turn: of([one for one in conversations if len(one) >= turn], turn) for turn in range(1, longest + 1)},
    )


def _breaks(found: Sequence[bool], confidence: float) -> Breaks:
    count, total = sum(found), len(found)
    return Breaks(count, total, wilson(count, total, confidence), upper_bound(count, total, confidence))


def figures(found: Attack | None) -> dict[str, Estimate | float]:
    """ARM.redteam_break_rate, ARM.redteam.CATEGORY_break_rate and ARM.redteam.turn_N_break_rate, each with NAME_upper_bound; none where nothing was asked."""
    if found is None:
        return {}
    named = [("redteam", found.whole)]
    named += [(f"redteam.{category}", arms) for category, arms in found.categories.items()]
    named += [(f"redteam.turn_{turn}", arms) for turn, arms in found.turns.items()]
    result: dict[str, Estimate | float] = {}
    for arm in ARMS:
        for name, arms in named:
            result[f"{arm}.{name}_break_rate"] = arms[arm].rate
            result[f"{arm}.{name}_break_rate_upper_bound"] = arms[arm].bound
    return result
