"""The page's part on simulated conversations: in character turn by turn, how far the visitor can be trusted, and every conversation to be opened."""

from __future__ import annotations

from collections.abc import Sequence

from stages.common.html_page import counted, percent, text
from stages.evaluate.inputs import ARMS
from stages.evaluate.scores import Bootstrap, Scores
from stages.evaluate.tables import by_arm, interval_rows, rate_cell
from stages.evaluate.talks import Talk, Turn, by_situation, by_turn
from stages.evaluate.transcripts import said
from stages.evaluate.verdicts import FEW, verdict
from stages.evaluate.wording import arm_name, chip, level, points, spaced, span


def conversing(scores: Scores, talks: Sequence[Talk], settings: Bootstrap) -> str:
    """The whole section."""
    head = "<section><h2>Over a whole conversation</h2>"
    if not talks:
        return f"{head}<p>Not held: answer.talks is 0, or data/prompts/situations.jsonl has nothing for these characters.</p></section>"
    sure, difference, count = level(settings), scores["tuned_vs_prompted.talk_in_character_rate"], scores["talk.conversations"]
    state = verdict(difference, 0.0, False, count).state
    few = f" Fewer than {FEW} conversations show nothing, whatever the interval." if state == "few" else ""
    turns = {f"turn {number}": _cells(rates) for number, rates in by_turn(talks, settings.confidence).items()}
    kinds = {kind: _cells(rates) for kind, rates in by_situation(talks, settings).items()}
    wilson = f"Conversations whose answer in that very turn is in character, with {sure} Wilson intervals."
    resampled = f"Answers in character in that situation, all turns together, with {sure} intervals resampled by conversation."
    return (
        f"{head}<p>A model plays the visitor in {counted(count, 'conversation')}, the same situations with each arm. The share of answers in which none of the "
        f"known marks of a broken character was found, over {counted(scores['talk.answers'], 'answer')} of each arm:</p>"
        f'<div class="rows">{interval_rows(scores, ARMS, "talk_in_character_rate", [0.0, 0.25, 0.5, 0.75, 1.0], percent, f"{sure} interval")}</div>'
        f"<p>{chip(state)} Tuned minus prompted: {points(difference.value)} percentage points ({sure} interval: {span(difference, points)}), "
        f"n = {counted(count, 'conversation')}.{few}</p>{_trust(scores)}"
        f"{by_arm('turn', turns, wilson)}{by_arm('situation', kinds, resampled)}{''.join(map(_talk, talks))}</section>"
    )


def _cells(rates: dict) -> dict[str, str]:
    return {arm: rate_cell(arm, rate) for arm, rate in rates.items()}


def _trust(scores: Scores) -> str:
    """How far the visitor can be trusted."""
    own = ", ".join(f"{arm} {percent(scores[f'{arm}.talk_visitor_own_rate'])}" for arm in ARMS if f"{arm}.talk_visitor_own_rate" in scores)
    return (
        f"<p>The visitor’s first words are written in a file. Of the later ones so many are the model’s own: {own}. Where it spoke as an assistant, had no whole sentence "
        "or said what had been said before, the file’s line for that turn was said instead; it is marked below. The visitor answers what an arm said, so each arm hears other words, "
        "and a small model plays a visitor badly: it is soon polite, whatever the situation. Read a conversation before you trust a rate.</p>"
    )


def _talk(talk: Talk) -> str:
    """One conversation with every arm, when it is opened."""
    kept = ", ".join(f"{arm} {sum(not turn.answer.broke for turn in talk.turns[arm])} of {len(talk.turns[arm])}" for arm in ARMS)
    arms = "".join(f'<div class="answer {arm}"><p class="about">{arm_name(arm)}</p>{"".join(map(_turn, talk.turns[arm]))}</div>' for arm in ARMS)
    return (
        f'<details class="question talk"><summary>{text(talk.id)}, {text(talk.kind)}, to {text(talk.name)}: in character {kept}</summary>'
        f'<div class="arms">{arms}</div></details>'
    )


def _turn(turn: Turn) -> str:
    written = ' <span class="chip plain">the file’s line</span>' if turn.written else ""
    chips = "".join(f'<span class="chip broke">broke character: {text(spaced(mark.family))}</span>' for mark in turn.answer.marks)
    return f'<p class="asked said" dir="auto">{text(turn.prompt)}{written}</p>{chips}{said(turn.answer)}'
