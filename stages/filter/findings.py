"""What the report tells: figures of all chats, words of a sample of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from stages.common.chats import spoken
from stages.filter.page import EXAMPLES, Findings, Step, example
from stages.filter.survey import KINDS, Survey
from stages.filter.talk import Drop
from stages.filter.words_used import lengths, overused, variety

SAMPLE = 5_000  # chats whose words are looked at, of those that came in, those that are kept, and the gold, each
# The families of rules in the order in which they are asked.
FAMILIES = (
    "length",
    "critique",
    "wreckage",
    "language",
    "anachronism",
    "caricature",
    "slop",
    "assistant_speech",
    "character_break",
    "repetition",
    "duplicate",
    "balance",
)


def findings(found: Survey, drops: Mapping[int, Drop], read: Callable[[int], dict]) -> Findings:
    """What the page tells of the chats of a survey and their drops; `read` gives a chat by its number."""
    kinds = [KINDS[kind] for kind in found.kind.tolist()]
    came = Counter(kinds)
    steps: dict[str, Counter[str]] = defaultdict(Counter)
    shown: Counter[str] = Counter()
    examples = []
    for number in sorted(drops):
        drop = drops[number]
        steps[drop.rule][kinds[number]] += 1
        if shown[drop.rule] < EXAMPLES:
            shown[drop.rule] += 1
            examples.append(example({"id": found.ids[number], **vars(drop), "chat": read(number)}))
    kept = np.setdiff1d(np.arange(len(found)), np.fromiter(drops, np.int64, len(drops)))
    gold = np.flatnonzero(found.kind == KINDS.index("gold"))
    before, after, people, others = (
        [reply for number in sample(numbers) for reply in spoken(read(number), "gpt")]
        for numbers in (np.arange(len(found)), kept, gold, np.setdiff1d(kept, gold))
    )
    return Findings(
        {kind: came[kind] for kind in KINDS if came[kind]},
        len(set(found.cut) - set(drops)),
        [Step(rule, steps[rule]) for rule in sorted(steps, key=place)],
        examples,
        lengths(before),
        lengths(after),
        lengths(people),
        variety(before, after),
        overused(others, people),
    )


def sample(numbers: np.ndarray) -> Iterable[int]:
    """Those chats, or SAMPLE of them at equal distances."""
    return (numbers if len(numbers) <= SAMPLE else numbers[np.linspace(0, len(numbers) - 1, SAMPLE).astype(np.int64)]).tolist()


def place(rule: str) -> tuple[int, str]:
    """Where a rule stands among the others."""
    family = rule.partition(".")[0]
    return FAMILIES.index(family) if family in FAMILIES else len(FAMILIES), rule
