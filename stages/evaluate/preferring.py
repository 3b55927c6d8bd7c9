"""The page's part on what people prefer, blind."""

from __future__ import annotations

from stages.common.html_page import counted, number, percent, text
from stages.evaluate.krippendorff import RELIABLE, TENTATIVE
from stages.evaluate.preferences import Preferences, pair_name, verdict
from stages.evaluate.rubric import ASPECTS, HIGHEST, LOWEST
from stages.evaluate.scores import Bootstrap
from stages.evaluate.sign_test import MOST, POWER
from stages.evaluate.tables import SHARES, interval_rows
from stages.evaluate.wording import arm_name, chance, chip, fine, level, listed, signed, span


def preferring(preferences: Preferences, settings: Bootstrap) -> str:
    """The whole section."""
    head = "<section><h2>Which of the two people prefer</h2>"
    left_out = _left_out(preferences)
    if verdict(preferences, settings) == "none":
        return (
            f"{head}<p>Not measured: nobody’s ratings of these answers are in data/ratings. Send reports/ab.html to people, put what they send back in with "
            f"<code>python -m tools.ratings import FILES</code>, and evaluate again.{left_out}</p></section>"
        )
    return f"{head}{_votes(preferences, settings)}{_aspects(preferences, settings)}{_agreement(preferences, settings)}{f'<p>{left_out}</p>' if left_out else ''}</section>"


def people_say(preferences: Preferences, settings: Bootstrap) -> str:
    """The outcome in a sentence; nothing where nobody's ratings are there."""
    if not preferences.figures:
        return ""
    first, second = preferences.arms
    count = f"(n\u00a0=\u00a0{number(preferences.figures['human.prompts'])})"
    state = verdict(preferences, settings)
    return (
        f"People, blind, prefer {second if state == 'better' else first} {count}."
        if state in ("better", "worse")
        else f"Not enough people’s votes to tell whom they prefer {count}."
    )


def _left_out(preferences: Preferences) -> str:
    parts = []
    if count := preferences.other_answers:
        parts.append(f"{counted(count, 'file')} in data/ratings {'is' if count == 1 else 'are'} of another run’s answers")
    if count := preferences.other_arms:
        parts.append(f"{counted(count, 'file')} of other arms than evaluate.ab.arms")
    return f" {listed(parts)}, and not counted." if parts else ""


def _votes(preferences: Preferences, settings: Bootstrap) -> str:
    found, (first, second), pair = preferences.figures, preferences.arms, pair_name(preferences.arms)
    wins, ties, losses = (found[f"{pair}.human_{name}"] for name in ("wins", "ties", "losses"))
    rate, state, needed = found[f"{pair}.human_win_rate"], verdict(preferences, settings), found.get(f"{pair}.human_votes_needed")
    told = {
        "better": f"People prefer {second}.",
        "worse": f"People prefer {first}.",
        "open": "Not enough votes to tell.",
    }[state]
    power = (
        f"Were the share seen the true one, {percent(POWER)} of studies with {counted(needed, 'decided prompt')} would show it."
        if needed
        else f"The two are so near that no study of up to {counted(MOST, 'decided prompt')} would show a difference as large with {percent(POWER)} certainty."
    )
    return (
        f"<p>{counted(found['human.raters'], 'person', 'people')} compared {first} and {second} on {counted(found['human.prompts'], 'prompt')}, {counted(found['human.votes'], 'vote')} in all, "
        "without knowing whose answer was whose. A tie, and both bad, count half.</p>"
        f'<div class="rows">{interval_rows({f"{second}.human_win_rate": rate}, (second,), "human_win_rate", SHARES, percent, f"{level(settings)} interval")}</div>'
        f"<p>{chip(state)} <strong>{told}</strong> {arm_name(second)} wins {counted(wins, 'prompt')}, {arm_name(first)} {losses}, and {ties} are undecided "
        f"(exact sign test, {chance(found[f'{pair}.human_p'])}). {power} Both bad: {percent(found[f'{pair}.human_both_bad_rate'].value)} of votes.</p>"
    )


def _aspects(preferences: Preferences, settings: Bootstrap) -> str:
    found, (first, second), pair = preferences.figures, preferences.arms, pair_name(preferences.arms)
    rows = []
    for aspect, (label, _) in ASPECTS.items():
        change, p = found[f"{pair}.human_{aspect}"], found[f"{pair}.human_{aspect}_p"]
        state = "open" if p > 1 - settings.confidence else "better" if change.value > 0 else "worse"
        means = "".join(
            f'<td class="cell">{arm_name(arm)} {fine(found[f"{arm}.human_{aspect}"].value)} <span class="soft">({span(found[f"{arm}.human_{aspect}"], fine)})</span></td>'
            for arm in (first, second)
        )
        rows.append(
            f'<tr><th scope="row">{text(label)}</th>{means}<td class="cell">{signed(change.value, 2)} <span class="soft">({span(change, lambda value: signed(value, 2))}; '
            f"{chance(p)})</span> {chip(state)}</td></tr>"
        )
    return (
        f'<table class="by-arm"><caption>The rubric, {LOWEST} to {HIGHEST}: means over all votes, and {second} minus {first}, with {level(settings)} intervals (bootstrap by prompt). '
        "p: exact randomisation test by prompt, by Holm’s method over the five aspects, so that one false finding among all five is as rare as in a single test.</caption>"
        f'<thead><tr><th scope="col">aspect</th><th scope="col">{arm_name(first)}</th><th scope="col">{arm_name(second)}</th><th scope="col">difference</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _agreement(preferences: Preferences, settings: Bootstrap) -> str:
    labels = {"preferred": "Preference", **{aspect: label for aspect, (label, _) in ASPECTS.items()}}
    alphas = {label: alpha for name, label in labels.items() if (alpha := preferences.figures.get(f"human.{name}_alpha"))}
    if not alphas:
        return "<p>How far raters agree is not known: no two of them have rated the same prompt and told answers apart.</p>"
    told = "; ".join(f"{text(label)} {fine(alpha.value)} ({span(alpha, fine)})" for label, alpha in alphas.items())
    return (
        f"<p>How far raters agree, by Krippendorff’s alpha (1: wholly; 0: as by chance; from {RELIABLE} on reliable, from {TENTATIVE} on tentative): {told}. "
        "Where they do not agree, the means above are of tastes and say little about the answers.</p>"
    )
