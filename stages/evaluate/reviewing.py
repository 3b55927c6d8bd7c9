"""The page's part on what a judge says: its scores by aspect, whom it prefers, how far it agrees with itself, and some of its reasons, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stages.common.html_page import counted, number, percent, text
from stages.evaluate.inputs import ARMS
from stages.evaluate.judged import LOSS, WIN, Comparison, Opinion
from stages.evaluate.judging import OVERALL, PAIR
from stages.evaluate.rubric import ASPECTS
from stages.evaluate.scores import Bootstrap, Scores
from stages.evaluate.tables import by_arm, interval_rows
from stages.evaluate.transcripts import said as words_of
from stages.evaluate.verdicts import FEW
from stages.evaluate.wording import arm_name, chance, chip, fine, level, listed, plain, signed, span

LABELS = {aspect: label.lower() for aspect, (label, _) in ASPECTS.items()} | {"mean": "all five, mean"}
QUOTED = 3  # comparisons that are quoted, of each kind
LONGEST = 400  # characters of a reason that are quoted


def reviewing(scores: Scores, judged: tuple[str, Opinion] | None, settings: Bootstrap) -> str:
    """The section; `judged` is the judge's name and what it said. Nothing where no judge was asked."""
    if judged is None:
        return ""
    model, said = judged
    head = (
        f"<section><h2>What a judge says</h2><p>{text(model)} scored each arm’s answers to the evaluation prompts on the guide’s five aspects, from 1 to 5, and said which "
        "of tuned’s and prompted’s is better, without being told whose they are. It read each pair in both orders: where its verdict turns with the order, that is a tie. "
        "A judge is a model too: <code>python -m tools.judge_check</code> holds it against people.</p>"
    )
    return f"{head}{_missing(said)}{_preference(scores, settings)}{_aspects(scores, settings)}{_quotes(said)}</section>"


def judge_says(scores: Scores, judged: tuple[str, Opinion] | None, settings: Bootstrap) -> str:
    """The outcome in a sentence; nothing where no judge was asked, or it compared nothing."""
    rate = scores.get("tuned_vs_prompted.judge_win_rate")
    if judged is None or rate is None:
        return ""
    state = _state(scores, "tuned_vs_prompted.judge_win_rate", scores["tuned_vs_prompted.judge_p"], settings)
    told = {"better": "prefers tuned", "worse": "prefers prompted", "open": "shows no preference", "few": "compared too few to tell"}[state]
    return f"The judge {text(judged[0])} {told} (n\u00a0=\u00a0{number(scores['judge.compared'])})."


def aspect_states(scores: Scores, settings: Bootstrap) -> dict[str, str]:
    """The verdict on each aspect, "better", "worse", "open" or "few": by the exact sign test of the comparisons, Holm's correction over the five."""
    states = {}
    for aspect in ASPECTS:
        if (p := scores.get(f"tuned_vs_prompted.judge_{aspect}_win_p")) is not None:
            states[aspect] = _state(scores, f"tuned_vs_prompted.judge_{aspect}_win_rate", p, settings)
    return states


def _state(scores: Scores, rate: str, p: float, settings: Bootstrap) -> str:
    if scores["judge.compared"] < FEW:
        return "few"
    if p > 1 - settings.confidence:
        return "open"
    return "better" if scores[rate].value > 0.5 else "worse"


def _missing(said: Opinion) -> str:
    parts = []
    if said.capped:
        parts.append(f"{said.capped} were not put to it, because of a cap on what it may cost")
    if said.unread:
        parts.append(f"{said.unread} have no answer that can be read")
    return (
        f"<p>Of {counted(said.asked, 'question')} {' and '.join(parts)}. They are left out of all figures, and so is what is paired with them.</p>"
        if parts
        else ""
    )


def _preference(scores: Scores, settings: Bootstrap) -> str:
    if not scores["judge.compared"]:
        return "<p>No pair of answers was compared in both orders.</p>"
    wins, ties, losses = (scores[f"tuned_vs_prompted.judge_{name}"] for name in ("wins", "ties", "losses"))
    rate, p, n = scores["tuned_vs_prompted.judge_win_rate"], scores["tuned_vs_prompted.judge_p"], scores["judge.compared"]
    state, sure = _state(scores, "tuned_vs_prompted.judge_win_rate", p, settings), f"{level(settings)} interval"
    controlled = scores.get("tuned_vs_prompted.judge_length_controlled_win_rate")
    equal = (
        f"Were both answers of one length, it would be {percent(controlled.value)} ({span(controlled, percent)}), by a logistic regression on their lengths (after AlpacaEval 2). "
        if controlled
        else "All differ in length by the same number of words: length cannot be told from the arm. "
    )
    lengths = f"On average tuned has {plain(scores['tuned.mean_words'].value)} words and prompted {plain(scores['prompted.mean_words'].value)}. "
    itself = ""
    if consistent := scores.get("judge.consistency_rate"):
        first = scores.get("judge.first_rate")
        where = (
            ""
            if first is None
            else f" When it prefers one, it is the one that it read first {percent(first)} of the time; a judge without a habit: half of the time."
        )
        itself = f"<p>It says the same in both orders in {percent(consistent.value)} of the pairs ({span(consistent, percent)}).{where}</p>"
    by_aspect = aspect_states(scores, settings)
    told = [
        f"{words}: {listed([LABELS[aspect] for aspect in found])}"
        for name, words in (("better", "tuned is better"), ("worse", "tuned is worse"), ("open", "no difference is shown"))
        if (found := [aspect for aspect, state in by_aspect.items() if state == name])
    ]
    aspects = f" By aspect (Holm’s correction over the five): {'; '.join(told)}." if told else ""
    few = f" Fewer than {FEW} pairs show nothing." if state == "few" else ""
    return (
        f"<p>{chip(state)} Tuned is preferred in {percent(rate.value)} of the comparisons with prompted, a tie counted half ({sure}: {span(rate, percent)}): "
        f"{wins} won, {ties} tied, {losses} lost, n = {n} (exact sign test, {chance(p)}).{few}{aspects}</p>"
        f"<p>{equal}{lengths}</p>{itself}"
    )


def _aspects(scores: Scores, settings: Bootstrap) -> str:
    if not scores["judge.scored"]:
        return "<p>To no prompt all arms’ answers have scores.</p>"
    rows = {LABELS[name]: {arm: f"{fine(scores[f'{arm}.judge_{name}'].value)} {_beside(scores, arm, name)}" for arm in ARMS} for name in (*ASPECTS, "mean")}
    caption = (
        f"Mean scores, 1 to 5, with {level(settings)} intervals (bootstrap of whole prompts, n = {scores['judge.scored']}); under tuned the change from prompted "
        "(exact randomisation test) and how often it is preferred on that aspect (exact sign test), with Holm’s p over the five."
    )
    mean = interval_rows(scores, ARMS, "judge_mean", [1.0, 2.0, 3.0, 4.0, 5.0], fine, f"{level(settings)} interval")
    return f'<div class="rows">{mean}</div>{by_arm("aspect", rows, caption)}'


def _beside(scores: Scores, arm: str, name: str) -> str:
    """What stands behind a mean: its interval, and for tuned what the comparisons say."""
    told = span(scores[f"{arm}.judge_{name}"], fine)
    if arm == "tuned":
        change = scores[f"tuned_vs_prompted.judge_{name}"]
        told += f"; change {signed(change.value, 2)}, {span(change, lambda value: signed(value, 2))}"
        if (p := scores.get(f"tuned_vs_prompted.judge_{name}_p")) is not None:
            told += f", {chance(p)}"
        if (rate := scores.get(f"tuned_vs_prompted.judge_{name}_win_rate")) is not None:
            told += f"; preferred {percent(rate.value)}, {span(rate, percent)}, {chance(scores[f'tuned_vs_prompted.judge_{name}_win_p'])}"
    return f'<span class="soft">({told})</span>'


def _quotes(said: Opinion) -> str:
    """Comparisons to read, of each kind those in which the scores lie farthest apart."""
    means = {_place(one): {arm: sum(value[arm][aspect]["score"] for aspect in ASPECTS) / len(ASPECTS) for arm in PAIR} for one, value in said.scored}
    apart = {place: mean[PAIR[0]] - mean[PAIR[1]] for place, mean in means.items()}
    kinds = {
        "Tuned won": [one for one in said.compared if one.points(OVERALL) == WIN],
        "Tuned lost": [one for one in said.compared if one.points(OVERALL) == LOSS],
        "The verdict turned with the order": [one for one in said.compared if not one.consistent(OVERALL)],
    }
    parts = []
    for label, found in kinds.items():
        chosen = sorted(found, key=lambda one: (-abs(apart.get(_place(one.conversation), 0.0)), _place(one.conversation)))[:QUOTED]
        if chosen:
            parts.append(f"<h4>{label}: {len(chosen)} of {counted(len(found), 'pair')}</h4>{''.join(_quote(one, means) for one in chosen)}")
    return f'<h3 class="every">Some of its reasons</h3>{"".join(parts)}' if parts else ""


def _shortened(reason: str) -> str:
    return text(reason if len(reason) <= LONGEST else f"{reason[:LONGEST]} …")


def _place(conversation: Sequence) -> tuple[str, str, str]:
    first = conversation[0]
    return first.set, first.id, first.character


def _quote(one: Comparison, means: Mapping) -> str:
    first = one.conversation[0]
    scored = means.get(_place(one.conversation))
    summary = "".join(
        f'<span class="quote"><span class="soft">{order}, {better}:</span> “{_shortened(value[OVERALL]["reason"])}”</span>'
        for order, value, better in zip(
            ("tuned read first", "prompted read first"),
            (one.tuned_first, one.prompted_first),
            (preferred if preferred == "tie" else f"{preferred} is better" for preferred in one.preferred(OVERALL)),
            strict=True,
        )
    )
    answers = "".join(
        f'<div class="answer {arm}"><p class="about">{arm_name(arm)}<span class="soft">{f"mean score {scored[arm]:.1f}" if scored else ""}</span></p>'
        f"{''.join(words_of(turn.answers[arm]) for turn in one.conversation)}</div>"
        for arm in PAIR
    )
    asked = "".join(f'<p class="said" dir="auto">{text(turn.prompt)}</p>' for turn in one.conversation)
    return (
        f'<details class="question break"><summary>{text(first.id)}, {text(first.kind)}, to {text(first.name)} {summary}</summary>{asked}'
        f'<div class="arms">{answers}</div></details>'
    )
