"""The page's part on what the arms know: the character's world, and the plain things that training must not make a model forget."""

from __future__ import annotations

from collections.abc import Sequence

from stages.common.html_page import counted, percent, text
from stages.evaluate.inputs import ARMS, PLAIN
from stages.evaluate.intervals import Estimate
from stages.evaluate.scores import Bootstrap, Scores
from stages.evaluate.tables import by_arm, interval_rows, less_prompted, rate_cell
from stages.evaluate.verdicts import verdict, verdicts
from stages.evaluate.wording import arm_name, chip, fine, level, points, signed, span
from stages.evaluate.world import Row

VERDICTS = {"correct": "told the fact", "deflected": "deflected in character", "invented": "made something up", "broke": "broke character"}


def knowing(scores: Scores, rows: Sequence[Row], settings: Bootstrap) -> str:
    """Both sections; `rows` are the questions about the world with the answers of all arms."""
    return f"{_world(scores, rows, settings)}{_plain(scores, settings)}"


def _world(scores: Scores, rows: Sequence[Row], settings: Bootstrap) -> str:
    head = "<section><h2>Whether he knows his world</h2>"
    if not rows:
        return f"{head}<p>Not asked: data/prompts/world.jsonl has no question for the characters.</p></section>"
    cells = {
        label: {
            arm: rate_cell(arm, rate, beside=less_prompted(scores, arm, f"world_{name}_rate", points) + (_by_chance(scores, arm) if name == "correct" else ""))
            for arm in ARMS
            if isinstance(rate := scores.get(f"{arm}.world_{name}_rate"), Estimate)
        }
        for name, label in VERDICTS.items()
    }
    caption = (
        f"With {level(settings)} Wilson intervals and, under tuned, the change from prompted in percentage points. By chance: how often an arm’s answers to other "
        "questions hold the right words. A model whose interval does not lie above that has shown no knowledge."
    )
    return (
        f"{head}<p>Each arm was asked {counted(scores['world.facts'], 'fact')} of the book, and {counted(scores['world.unknowables'], 'thing')} that nobody in it can know: "
        "after its time, beyond its story, or false. The first should be told, the second turned away without dropping the part. "
        "Rules decide, by the words: an answer that is right in other words counts as wrong.</p>"
        f"{by_arm('answer', {label: told for label, told in cells.items() if told}, caption)}{''.join(map(_question, rows))}</section>"
    )


def _by_chance(scores: Scores, arm: str) -> str:
    chance = scores.get(f"{arm}.world_chance_rate")
    return "" if chance is None else f"; by chance {percent(chance)}"


def _question(row: Row) -> str:
    """One question, with all that was said to it when it is opened."""
    question = row.question
    expected = f"Right is: {', '.join(question['accepted'])}." if question["kind"] == "fact" else f"Nobody in the book can know this: {question['topic']}."
    summary = ", ".join(f"{arm} {row.verdicts[arm]}" for arm in ARMS)
    answers = "".join(
        f'<div class="answer {arm}"><p class="about">{arm_name(arm)}<span class="chip {"broke" if row.verdicts[arm] == "broke" else "plain"}">{row.verdicts[arm]}</span></p>'
        f"{_said(row.answers[arm])}</div>"
        for arm in ARMS
    )
    return (
        f'<details class="question"><summary>{text(question["id"])}, {text(question["topic"])}: {summary}</summary>'
        f'<p class="said" dir="auto">{text(question["prompt"])}</p><p class="soft">{text(expected)}</p><div class="arms">{answers}</div></details>'
    )


def _said(answer: str) -> str:
    return f'<p class="said" dir="auto">{text(answer)}</p>' if answer.strip() else '<p class="said none">No answer.</p>'


def _plain(scores: Scores, settings: Bootstrap) -> str:
    found = verdicts(scores, settings.confidence)["plain_rate"]
    difference, count, state = found.difference, found.count, found.state
    told = {"worse": " Training made it forget.", "better": " Perhaps it learnt to answer in a word, which is asked for too."}.get(state, "")
    return (
        f"<section><h2>What else it still knows</h2><p>{counted(count, 'plain question')} with a one-word answer, without a system prompt and after four examples: the share that "
        "is answered exactly. Tuned is meant to be a character; where it falls below base, training made the model forget.</p>"
        f'<div class="rows">{interval_rows(scores, PLAIN, "plain_rate", [0.0, 0.25, 0.5, 0.75, 1.0], percent, f"{level(settings)} interval")}</div>'
        f"<p>{chip(state)} Tuned minus base: {points(difference.value)} percentage points ({level(settings)} interval: {span(difference, points)}).{told}</p>{_tasks(scores, settings)}</section>"
    )


def _tasks(scores: Scores, settings: Bootstrap) -> str:
    """The tasks of the lm-evaluation-harness, where some were asked."""
    rows = []
    for name in [name.removeprefix("tuned_vs_base.") for name in scores if name.startswith("tuned_vs_base.lm_eval.")]:
        difference, count = scores[f"tuned_vs_base.{name}"], scores[f"{name}.documents"]
        told = ", ".join(f"{arm_name(arm)} {fine(scores[f'{arm}.{name}'].value)} ({span(scores[f'{arm}.{name}'], fine)})" for arm in PLAIN)
        rows.append(
            f"<li>{text(name.removeprefix('lm_eval.'))}: {told}. {chip(verdict(difference, 0.0, False, count).state)} Tuned minus base: "
            f"{signed(difference.value, 2)} ({span(difference, lambda value: signed(value, 2))}), n = {counted(count, 'document')}.</li>"
        )
    head = f"<p>Tasks of the lm-evaluation-harness (evaluate.lm_eval_tasks), with {level(settings)} intervals; higher is better:</p>"
    return f"{head}<ul>{''.join(rows)}</ul>" if rows else ""
