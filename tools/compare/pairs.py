"""Tests that are paired by prompt, conversation and chat: evaluate's own, asked of the two sides' answers as it asks them of two arms.

One arm of A takes the place of "prompted" and the same arm of B that of "tuned": then `tuned_vs_prompted.X` is what B's figure is beyond A's, with evaluate's own
interval. Both sides are scored by the code that stands here now, over what both were asked and both have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stages.common import characters, chats, plain_questions, world_questions
from stages.common.errors import UserError
from stages.common.files import read_jsonl
from stages.evaluate import ability, inputs, manner, memorisation, scores, world
from stages.evaluate.inputs import ARMS, PLAIN, WORLD, Conversation, Exchange, Losses, broke
from stages.evaluate.intervals import Estimate, paired_difference
from stages.evaluate.scores import Bootstrap


@dataclass(frozen=True)
class Paired:
    """What a figure of B is beyond A's (for perplexity: as a multiple of it), `none` meaning no difference, over n pairs, by what test."""

    difference: Estimate
    none: float
    n: int
    test: str
    p: float | None = None
    """One-sided, of "B is lower", where a permutation test decides and not the interval."""


@dataclass(frozen=True)
class Run:
    """What one side said and lost."""

    exchanges: Sequence[Exchange]
    losses: Mapping[str, Losses]
    plain: Mapping[str, Mapping[tuple[str, str], str]]
    """Of each arm the answer to each question, known by its id and prompt."""
    test: Mapping[str, dict]
    train: Sequence[dict]


def read(folder: Path) -> Run:
    """What stands in a folder as `sides.side` brings it. Raises UserError where a file is not as this version of evaluate reads it."""
    names = {stem: card["name"] for stem, card in characters.read_all(folder / "data/characters").items()}
    nats = inputs.read_losses(folder / "data/answers/losses.jsonl")
    plain: dict[str, dict[tuple[str, str], str]] = {arm: {} for arm in PLAIN}
    for record in read_jsonl(folder / "data/answers/plain.jsonl"):
        plain[record["arm"]][record["id"], record["prompt"]] = record["answer"]
    return Run(
        inputs.exchanges(inputs.read_answers(folder / "data/answers/answers.jsonl"), names),
        {split: inputs.losses(nats, split) for split in inputs.SPLITS if any(record["split"] == split for record in nats)},
        plain,
        {chat["id"]: chat for chat in chats.read(folder / "data/splits/test.jsonl")},
        chats.read(folder / "data/splits/train.jsonl"),
    )


def paired(a: Run, b: Run, folder: Path, settings: Bootstrap) -> dict[str, Paired]:
    """ARM.METRIC and CHARACTER.ARM.METRIC of metrics/evaluate.json to its test, for all that can be paired; `folder` holds B's questions and others' gold."""
    cards = characters.read_all(folder / "data/characters")
    known = world_questions.read(folder / "data/prompts/world.jsonl", cards)
    asked = {(question["id"], question["prompt"]) for question in known}
    plainly = {(question["id"], question["prompt"]): question["answers"] for question in plain_questions.read(folder / "data/prompts/plain.jsonl")}
    whose = sorted({chat["character"] for chat in b.test.values()} & {chat["character"] for chat in a.test.values()})
    others = inputs.read_gold(folder / "data/gold", set(cards) - set(whose))
    result: dict[str, Paired] = {}
    for arm in ARMS:
        crossed = [tuple(_crossed(one, other, arm) for one, other in zip(mine, theirs, strict=True)) for mine, theirs in _both(a.exchanges, b.exchanges)]
        crossed = [one for one in crossed if one[0].set != WORLD or (one[0].id, one[0].prompt) in asked]
        for part in [None, *whose] if len(whose) > 1 else [None]:
            own = [one for one in crossed if part in (None, one[0].character)]
            found = _losses(a, b, arm, part, settings) | _conversations(own, settings) | _manner(own, a, b, others, settings) | _world(own, known, settings)
            result |= {f"{f'{part}.' if part else ''}{arm}.{name}": test for name, test in found.items()}
        if len(whose) == 1:
            result |= {f"{whose[0]}.{name}": test for name, test in result.items() if name.startswith(f"{arm}.")}
        if arm in PLAIN:
            result |= {f"{arm}.{name}": test for name, test in _plain(a.plain[arm], b.plain[arm], plainly, settings).items()}
    return result


def _both(a: Sequence[Exchange], b: Sequence[Exchange]) -> list[tuple[Conversation, Conversation]]:
    """The conversations that both sides have, the visitor saying the same in each turn."""
    mine, theirs = ({(one[0].set, one[0].kind, one[0].id, one[0].character): one for one in inputs.conversations(side)} for side in (a, b))
    return [(one, theirs[key]) for key, one in mine.items() if key in theirs and [turn.prompt for turn in one] == [turn.prompt for turn in theirs[key]]]


def _crossed(a: Exchange, b: Exchange, arm: str) -> Exchange:
    """A's arm in prompted's place and B's in tuned's; A's base is the background of the measure of voice."""
    return replace(b, answers={"base": a.answers["base"], "prompted": a.answers[arm], "tuned": b.answers[arm]})


def _losses(a: Run, b: Run, arm: str, character: str | None, settings: Bootstrap) -> dict[str, Paired]:
    found = {}
    for split, name in (("test", "perplexity"), ("validation", "validation_perplexity")):
        if split not in a.losses or split not in b.losses:
            continue
        mine, theirs, place = *(losses[split] if character is None else losses[split].of(character) for losses in (a.losses, b.losses)), ARMS.index(arm)
        where = {chat: number for number, chat in enumerate(theirs.ids)}
        # Of equal tokens alone: another tokenizer's perplexity is of other things.
        pairs = [(n, where[chat]) for n, chat in enumerate(mine.ids) if chat in where and mine.tokens[n] == theirs.tokens[where[chat]]]
        if pairs:
            here, there = map(list, zip(*pairs, strict=True))
            both = mine.at(here)
            both = replace(both, nll=np.column_stack([mine.nll[here, 0], mine.nll[here, place], theirs.nll[there, place]]))
            ratio = scores.perplexity(both, settings, split)[1]["prompted"]
            found[name] = Paired(ratio, 1.0, len(pairs), "bootstrap of the ratio, paired by chat")
            if split == "test":
                found["loss"] = Paired(scores.logarithm(ratio), 0.0, len(pairs), "bootstrap of the difference, paired by chat")
    return found


def _conversations(held: Sequence[Conversation], settings: Bootstrap) -> dict[str, Paired]:
    test = "Newcombe's interval, paired by conversation"
    evaluation, attacked = ([one for one in held if one[0].set == name] for name in inputs.SETS)
    kept = {arm: [not broke(one, arm) for one in evaluation] for arm in ("prompted", "tuned")}
    found = {"in_character_rate": _rate(kept["prompted"], kept["tuned"], settings, test)}
    parts: dict[str, list[Conversation]] = {"": attacked}
    for one in attacked:
        parts.setdefault(f".{one[0].kind}", []).append(one)
        for turn, exchange in enumerate(one, start=1):
            parts.setdefault(f".turn_{turn}", []).append((exchange,))
    for name, members in parts.items():
        found[f"redteam{name}_break_rate"] = _rate([broke(one, "prompted") for one in members], [broke(one, "tuned") for one in members], settings, test)
    return {name: paired for name, paired in found.items() if paired}


def _rate(a: Sequence[bool], b: Sequence[bool], settings: Bootstrap, test: str) -> Paired | None:
    return Paired(paired_difference(a, b, settings.confidence), 0.0, len(a), test) if a else None


def _manner(crossed: Sequence[Conversation], a: Run, b: Run, others: Mapping, settings: Bootstrap) -> dict[str, Paired]:
    """Length, voice, variety and copies of the answers to the evaluation prompts, against the test chats that both sides have."""
    gold = [chat for name, chat in b.test.items() if name in a.test]
    asked = [one for one in crossed if one[0].set == "evaluation" and one[0].character in {chat["character"] for chat in gold}]
    if not asked:
        return {}
    n, by_prompt, equal = len(asked), "bootstrap, paired by prompt", "jackknife, paired by prompt, over equally many words"
    _, nearer = scores.lengths(asked, scores.gold_replies(gold), settings)
    found = {"mean_words": Paired(nearer["prompted"], 0.0, n, f"{by_prompt}, of the distance from the gold")}
    exchanges = [turn for one in asked for turn in one]
    figures = manner.manner(exchanges, manner.lines(gold, b.train, others), settings).figures
    tests = {"length_distance": by_prompt, "self_bleu": equal, "repetition_rate": "Newcombe's interval, paired by answer"}
    tests |= {f"distinct_{size}": equal for size in (1, 2, 3)}
    for name, test in tests.items():
        if isinstance(difference := figures.get(f"tuned_vs_prompted.{name}"), Estimate):
            found[name] = Paired(difference, 0.0, n, test)
    if isinstance(difference := figures.get("tuned_vs_prompted.voice_delta"), Estimate):
        found["voice_delta"] = Paired(
            difference,
            0.0,
            int(figures["voice.prompts"]),
            "permutation of the answers to each prompt, over equally many words",
            figures["tuned_vs_prompted.voice_p"],
        )
    # Each side's copies are from its own training chats.
    said = {arm: [[turn.answers[arm].text for turn in one] for one in asked] for arm in ("prompted", "tuned")}
    copies = [copy for arm, run in (("prompted", a), ("tuned", b)) for copy in memorisation.copies({arm: said[arm]}, manner.lines([], run.train, {}).training)]
    copied = memorisation.figures(said, copies, settings.confidence)["tuned_vs_prompted.copied_rate"]
    found["copied_rate"] = Paired(copied, 0.0, sum(map(len, asked)), "Newcombe's interval, paired by answer")
    return found


def _world(crossed: Sequence[Conversation], known: Sequence[dict], settings: Bootstrap) -> dict[str, Paired]:
    rows = world.rows([exchange for one in crossed for exchange in one if exchange.set == WORLD], known)
    figures = world.score(rows, settings.confidence)
    result = {}
    for kind, verdicts in world.VERDICTS.items():
        for verdict in verdicts:
            if isinstance(difference := figures.get(f"tuned_vs_prompted.world_{verdict}_rate"), Estimate):
                result[f"world_{verdict}_rate"] = Paired(difference, 0.0, int(figures[f"world.{kind}s"]), "Newcombe's interval, paired by question")
    return result


def _plain(a: Mapping, b: Mapping, accepted: Mapping, settings: Bootstrap) -> dict[str, Paired]:
    both = [key for key in accepted if key in a and key in b]
    right = [[ability.right(said[key], accepted[key]) for key in both] for said in (a, b)]
    return {"plain_rate": _rate(*right, settings, "Newcombe's interval, paired by question")} if both else {}


def of_sides(a: Path, b: Path, settings: Bootstrap) -> dict[str, Paired]:
    """`paired` of two folders. Raises UserError where one cannot be read as evaluate reads it now."""
    try:
        return paired(read(a), read(b), b, settings)
    except (KeyError, TypeError) as error:
        raise UserError(f"the answers are not of this version: {error!r}") from None
