"""The rules, cheapest first. Each looks at one chat and answers None (keep) or what it found against which threshold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from stages.common import in_character
from stages.common.chats import normal, spoken, words


@dataclass(frozen=True)
class Limits:
    """The thresholds of params.yaml's `filter` section, under the same names."""

    min_words: int
    max_words: int
    max_repeated_in_reply: float
    max_repeated_across_turns: float
    min_critique: float | None


@dataclass(frozen=True)
class Drop:
    """Why a chat goes: the rule, what was found (a figure or the matching words), and what would have been allowed."""

    rule: str
    found: str | float
    expected: str | float


def assistant_speech(chat: dict, name: str, limits: Limits) -> Drop | None:
    """The character talks like an assistant."""
    for reply in spoken(chat, "gpt"):
        if hit := in_character.assistant_speech(reply):
            return Drop(f"assistant_speech.{hit[0]}", hit[1], "no assistant phrase")
    return None


def character_break(chat: dict, name: str, limits: Limits) -> Drop | None:
    """The character steps out of himself, or somebody speaks for him."""
    for reply in spoken(chat, "gpt"):
        if hit := in_character.character_break(reply, name):
            return Drop(f"character_break.{hit[0]}", hit[1], "the character speaks as himself")
    return None


def speaking_for_the_visitor(chat: dict, name: str, limits: Limits) -> Drop | None:
    """The character's turn holds a line of the visitor's, as curate marked it."""
    if "speaks-for-user" in chat.get("marks", ()):
        return Drop("character_break.speaks_for_user", "a line of the visitor's in the character's turn", "each speaks for himself")
    return None


def length(chat: dict, name: str, limits: Limits) -> Drop | None:
    """A reply is shorter or longer than the character speaks."""
    for reply in spoken(chat, "gpt"):
        count = words(reply)
        if count < limits.min_words:
            return Drop("length.short", count, limits.min_words)
        if count > limits.max_words:
            return Drop("length.long", count, limits.max_words)
    return None


def repeated_share(text: str, size: int = 5) -> float:
    """The share of a text's words that lie in n-grams of `size` words which occur more than once.

    The duplicate n-gram fraction of Gopher (Rae et al. 2021, https://arxiv.org/abs/2112.11446, table A1), over words
    instead of characters.
    """
    tokens = normal(text).split()
    grams = [tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]
    counts = Counter(grams)
    covered = {i + k for i, gram in enumerate(grams) if counts[gram] > 1 for k in range(size)}
    return len(covered) / len(tokens) if tokens else 0.0


def repetition_in_reply(chat: dict, name: str, limits: Limits) -> Drop | None:
    """A reply says the same again."""
    for reply in spoken(chat, "gpt"):
        if (share := repeated_share(reply)) > limits.max_repeated_in_reply:
            return Drop("repetition.in_reply", round(share, 3), limits.max_repeated_in_reply)
    return None


def trigram_overlap(a: str, b: str) -> float:
    """Jaccard similarity of two texts' word trigrams; 1.0 for two equal texts of fewer than three words."""
    left, right = ({tuple(t[i : i + 3]) for i in range(len(t) - 2)} for t in (normal(a).split(), normal(b).split()))
    if not left or not right:
        return float(normal(a) == normal(b))
    return len(left & right) / len(left | right)


def repetition_across_turns(chat: dict, name: str, limits: Limits) -> Drop | None:
    """A reply repeats an earlier turn of the chat, the character's own or the visitor's."""
    said: list[str] = []
    for turn in chat["conversations"]:
        if turn["from"] == "gpt":
            worst = max((trigram_overlap(turn["value"], earlier) for earlier in said), default=0.0)
            if worst > limits.max_repeated_across_turns:
                return Drop("repetition.across_turns", round(worst, 3), limits.max_repeated_across_turns)
        if turn["from"] != "system":
            said.append(turn["value"])
    return None


def critique(chat: dict, name: str, limits: Limits) -> Drop | None:
    """The teacher's critic scored the chat low: the mean of its five scores, 1 to 5."""
    scores = [aspect["score"] for aspect in chat.get("critique", {}).values()]
    if limits.min_critique is not None and scores and (mean := sum(scores) / len(scores)) < limits.min_critique:
        return Drop("critique.low", round(mean, 3), limits.min_critique)
    return None


Rule = Callable[[dict, str, Limits], Drop | None]
RULES: tuple[Rule, ...] = (length, assistant_speech, character_break, speaking_for_the_visitor, repetition_in_reply, repetition_across_turns, critique)

# Of equal chats the one nearest to a human hand stays.
PREFERENCE = ("gold", "log", "import", "book", "synthetic")


def judge(chat: dict, name: str, limits: Limits) -> Drop | None:
    """The first rule that drops the chat, or None."""
    return next((drop for rule in RULES if (drop := rule(chat, name, limits))), None)


def key(chat: dict) -> str:
    """What makes two chats exact duplicates: all turns, without case, punctuation and spacing."""
    return "\n".join(normal(turn["value"]) for turn in chat["conversations"] if turn["from"] != "system")


def duplicates(chats: list[dict]) -> dict[str, str]:
    """Of chats with the same words, the ids to drop, each with the id that is kept."""
    kept: dict[str, str] = {}
    dropped: dict[str, str] = {}
    for chat in sorted(chats, key=lambda c: (PREFERENCE.index(c["source"]["kind"]), c["id"])):
        if (first := kept.setdefault(key(chat), chat["id"])) != chat["id"]:
            dropped[chat["id"]] = first
    return dropped
