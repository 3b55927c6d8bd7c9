"""Memorisation: replies that hold a long run of words of a training reply, as it stands there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from stages.common.chats import normal_words
from stages.evaluate.equal_words import Replies
from stages.evaluate.intervals import Estimate, paired_difference, wilson

LONGEST = 12
"""Words that a reply may have in common with a training reply, in a row, by chance or by turn of phrase."""


@dataclass(frozen=True)
class Copy:
    """The longest run of words that a reply has in common with training replies."""

    arm: str
    prompt: int  # the place in `said`
    turn: int
    words: str  # in normal form
    length: int
    chat: str  # the id of the first training chat that holds it
    chats: int  # how many training chats hold it: one was learnt by heart, many are a stock saying of the data


def copies(said: Mapping[str, Replies], training: Iterable[tuple[str, Sequence[str]]]) -> list[Copy]:
    """Each reply's longest run of more than LONGEST words that stands in a training reply too, for the replies that have one, in order of arm, prompt and turn.

    `training` gives (id, the character's replies) of each training chat. Case, punctuation and spacing do not count; a run ends with its reply. The index
    holds the runs of the answers, which are few, and the training chats pass by it once: time grows with their words, memory does not.

    A stock saying that stands in many training chats is counted as any other: the arm says it as it was trained on. `Copy.chats` tells it apart.
    """
    size = LONGEST + 1
    replies = {
        (arm, prompt, turn): normal_words(reply)
        for arm, prompts in said.items()
        for prompt, turns in enumerate(prompts)
        for turn, reply in enumerate(turns)
    }  # fmt: skip
    index: dict[tuple[str, ...], list[tuple[tuple[str, int, int], int]]] = {}
    for key, words in replies.items():
        for place, gram in enumerate(_runs(words, size)):
            index.setdefault(gram, []).append((key, place))

    # Stretches of training replies whose every run of `size` words stands in some answer, with the chats that hold them: what stands in many is looked at once.
    stretches: dict[tuple[str, ...], list[str]] = {}
    for chat, spoken in training:
        for reply in spoken:
            for stretch in _stretches(normal_words(reply), index, size):
                stretches.setdefault(stretch, []).append(chat)

    longest: dict[tuple[str, int, int], tuple[int, int]] = {}  # (words, place in the reply)
    for stretch in stretches:
        running: dict[tuple[tuple[str, int, int], int], int] = {}
        for gram in _runs(stretch, size):
            # A run goes on where the answer's next words are the stretch's next words.
            running = {(key, place): running.get((key, place - 1), size - 1) + 1 for key, place in index[gram]}
            for (key, place), length in running.items():
                if length > longest.get(key, (0,))[0]:
                    longest[key] = (length, place + size - length)

    found = []
    texts = [(f" {' '.join(stretch)} ", chats) for stretch, chats in stretches.items()]
    for key in replies:
        if key in longest:
            length, start = longest[key]
            words = " ".join(replies[key][start : start + length])
            holding = [chats for text, chats in texts if f" {words} " in text]
            found.append(Copy(*key, words, length, holding[0][0], len(set(chain.from_iterable(holding)))))
    return found


def figures(said: Mapping[str, Replies], found: Iterable[Copy], confidence: float) -> dict[str, Estimate | int]:
    """`ARM.copied_rate`, the share of replies with such a run, Wilson; `ARM.copied_words`, the longest one's words, 0 where there is none; and
    `tuned_vs_prompted.copied_rate`, tuned's rate minus prompted's over the same prompts. Without a reply there is none.

    What prompted copies, which saw no training chat, comes from the prompts and the language: it is the level that tuned is held against.
    """
    found = list(found)
    marked = {arm: {(copy.prompt, copy.turn) for copy in found if copy.arm == arm} for arm in said}
    copied = {arm: [(prompt, turn) in marked[arm] for prompt, turns in enumerate(prompts) for turn in range(len(turns))] for arm, prompts in said.items()}
    result: dict[str, Estimate | int] = {}
    for arm, flags in copied.items():
        if flags:
            result[f"{arm}.copied_rate"] = wilson(sum(flags), len(flags), confidence)
            result[f"{arm}.copied_words"] = max((copy.length for copy in found if copy.arm == arm), default=0)
    if copied.get("tuned") and copied.get("prompted"):
        result["tuned_vs_prompted.copied_rate"] = paired_difference(copied["prompted"], copied["tuned"], confidence)
    return result


def _runs(words: Sequence[str], size: int) -> Iterable[tuple[str, ...]]:
    return zip(*(words[start:] for start in range(size)), strict=False)


def _stretches(words: Sequence[str], index: Mapping[tuple[str, ...], object], size: int) -> Iterable[tuple[str, ...]]:
    """The longest stretches of words whose every run of `size` words is in the index."""
    start = None
    for place, gram in enumerate(_runs(words, size)):
        if gram in index:
            start = place if start is None else start
        elif start is not None:
            yield tuple(words[start : place + size - 1])
            start = None
    if start is not None:
        yield tuple(words[start:])
