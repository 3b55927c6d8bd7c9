"""Simulated conversations: how long each arm stays in character while a model plays the visitor.

From the second turn on every arm hears other words, for the visitor answers what that arm said. What they have in common is the situation and the first words; so the
arms are compared conversation by conversation and not answer by answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stages.common.errors import UserError
from stages.evaluate.inputs import ARMS, UNTRAINED, Answer, answer_of
from stages.evaluate.intervals import Estimate, paired_difference, wilson
from stages.evaluate.scores import Bootstrap


@dataclass(frozen=True)
class Turn:
    """What the visitor said, whether those words are the file's and not a model's, and the arm's answer."""

    prompt: str
    written: bool
    answer: Answer


@dataclass(frozen=True)
class Talk:
    """One situation with one character, held with each arm: as many turns with all of them."""

    id: str
    kind: str
    character: str
    name: str
    turns: Mapping[str, Sequence[Turn]]

    def whole(self, arm: str) -> bool:
        """Whether the arm stayed in character to the end."""
        return not any(turn.answer.broke for turn in self.turns[arm])


def talks(records: Iterable[Mapping], names: Mapping[str, str]) -> list[Talk]:
    """The lines of talks.jsonl put together, ordered by situation, id and character; `names` gives each character's name by file name.

    Raises UserError where an arm lacks a turn or has it twice, where the arms' conversations have different situations or first words, or a character has no card.
    """
    found: dict[tuple[str, str], dict[str, dict[int, Mapping]]] = {}
    for record in records:
        turns = found.setdefault((record["id"], record["character"]), {}).setdefault(record["arm"], {})
        if record["turn"] in turns:
            raise UserError(
                f"data/answers/talks.jsonl: {record['arm']} answers turn {record['turn']} of {record['id']} to {record['character']} twice; expected one answer each"
            )
        turns[record["turn"]] = record
    result = []
    for (place, character), arms in found.items():
        if character not in names:
            raise UserError(f"data/answers/talks.jsonl: {place} is for the character {character!r}; data/characters has {', '.join(sorted(names))}")
        last = max(1, *(max(turns) for turns in arms.values()))
        for arm in ARMS:
            if missing := [turn for turn in range(1, last + 1) if turn not in arms.get(arm, {})]:
                raise UserError(
                    f"data/answers/talks.jsonl: {arm} has no turn {missing[0]} of {place} to {character}; all arms must hold the same conversations: run the answer stage again"
                )
        if len({(record["kind"], arms[arm][1]["prompt"]) for arm in ARMS for record in arms[arm].values()}) > 1:
            raise UserError(
                f"data/answers/talks.jsonl: {place} to {character} is not of one situation with the same first words for all arms; run the answer stage again"
            )
        turns = {arm: tuple(_turn(arms[arm][turn], names[character]) for turn in range(1, last + 1)) for arm in ARMS}
        result.append(Talk(place, arms[ARMS[0]][1]["kind"], character, names[character], turns))
    return sorted(result, key=lambda talk: (talk.kind, talk.id, talk.character))


def _turn(record: Mapping, name: str) -> Turn:
    return Turn(record["prompt"], record["written"], answer_of(record, name))


def figures(talks: Sequence[Talk], settings: Bootstrap) -> dict[str, Estimate | int | float]:
    """The figures by their names in metrics/evaluate.json; without a conversation only that there is none.

    ARM.talk_in_character_rate, the share of answers in character over all turns, and the same of each situation, ARM.talk.SITUATION_in_character_rate, both from a bootstrap
    by conversation; ARM.talk.turn_N_in_character_rate, of the conversations that have the turn, with Wilson's interval; tuned_vs_ARM.talk_in_character_rate, tuned's rate
    minus that arm's, from the same bootstrap; ARM.talk_visitor_own_rate, how much of what the visitor said after his first words is the model's own and not the file's.
    """
    result: dict[str, Estimate | int | float] = {"talk.conversations": len(talks)}
    if not talks:
        return result
    result["talk.answers"] = sum(len(talk.turns[ARMS[0]]) for talk in talks)
    whole, differences = pooled(talks, settings)
    result |= {f"{arm}.talk_in_character_rate": rate for arm, rate in whole.items()}
    result |= {f"tuned_vs_{arm}.talk_in_character_rate": difference for arm, difference in differences.items()}
    for name, rates in by_situation(talks, settings).items():
        result |= {f"{arm}.talk.{name}_in_character_rate": rate for arm, rate in rates.items()}
    for number, rates in by_turn(talks, settings.confidence).items():
        result |= {f"{arm}.talk.turn_{number}_in_character_rate": rate for arm, rate in rates.items()}
    return result | {f"{arm}.talk_visitor_own_rate": share for arm in ARMS if (share := own_rate(talks, arm)) is not None}


def by_character(talks: Sequence[Talk], settings: Bootstrap, characters: Collection[str]) -> dict[str, dict[str, Estimate | int | float]]:
    """The same figures for each of `characters` alone."""
    return {name: figures([talk for talk in talks if talk.character == name], settings) for name in sorted(characters)}


def pooled(talks: Sequence[Talk], settings: Bootstrap) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """(each arm's share of answers in character, tuned's minus that of each untrained one), resampled by conversation: answers of one conversation are alike.

    Where all conversations have the same share the bootstrap would call it certain; there Wilson's interval of so many conversations stands, and Newcombe's of the
    difference between conversations that were in character to their end.
    """
    kept = [[sum(not turn.answer.broke for turn in talk.turns[arm]) for arm in ARMS] for talk in talks]
    rows = np.column_stack([np.array(kept, dtype=float), [len(talk.turns[ARMS[0]]) for talk in talks]])
    totals, samples = rows.sum(axis=0), sum(settings.totals(rows, [talk.character for talk in talks], "talks").values())
    shares, drawn = totals[:-1] / totals[-1], samples[:, :-1] / samples[:, -1:]
    whole = {arm: [talk.whole(arm) for talk in talks] for arm in ARMS}
    rates, differences, tuned = {}, {}, ARMS.index("tuned")
    for place, arm in enumerate(ARMS):
        found = settings.around(shares[place], drawn[:, place])
        rates[arm] = found if found.lower < found.upper else wilson(shares[place] * len(talks), len(talks), settings.confidence)
        if arm in UNTRAINED:
            found = settings.around(shares[tuned] - shares[place], drawn[:, tuned] - drawn[:, place])
            differences[arm] = found if found.lower < found.upper else _shifted(found.value, paired_difference(whole[arm], whole["tuned"], settings.confidence))
    return rates, differences


def _shifted(value: float, around: Estimate) -> Estimate:
    """The interval of another difference, laid around this one."""
    return Estimate(value, max(around.lower - around.value + value, -1.0), min(around.upper - around.value + value, 1.0))


def by_situation(talks: Sequence[Talk], settings: Bootstrap) -> dict[str, dict[str, Estimate]]:
    """Each arm's share of answers in character in each situation, in alphabetical order."""
    return {kind: pooled([talk for talk in talks if talk.kind == kind], settings)[0] for kind in sorted({talk.kind for talk in talks})}


def by_turn(talks: Sequence[Talk], confidence: float) -> dict[int, dict[str, Estimate]]:
    """Of the conversations that have a turn, the share whose answer in that very turn is in character, for each arm, with Wilson's interval."""
    rates = {}
    for number in range(1, 1 + max((len(talk.turns[ARMS[0]]) for talk in talks), default=0)):
        own = [talk for talk in talks if len(talk.turns[ARMS[0]]) >= number]
        rates[number] = {arm: wilson(sum(not talk.turns[arm][number - 1].answer.broke for talk in own), len(own), confidence) for arm in ARMS}
    return rates


def own_rate(talks: Sequence[Talk], arm: str) -> float | None:
    """Of the visitor's lines to an arm after his first words, the share that a model made; None where there is no such line."""
    later = [turn for talk in talks for turn in talk.turns[arm][1:]]
    return sum(not turn.written for turn in later) / len(later) if later else None
