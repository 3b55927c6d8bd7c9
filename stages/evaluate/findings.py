"""The page's figures: a card for each of the four differences, and the same for each character where there are several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stages.common.html_page import counted, percent, text
from stages.evaluate.inputs import ARMS
from stages.evaluate.intervals import Estimate
from stages.evaluate.scores import Bootstrap, Scores
from stages.evaluate.tables import interval_rows
from stages.evaluate.verdicts import FEW, Verdict
from stages.evaluate.wording import arm_name, chip, factor, level, plain, points, signed, span


def findings(scores: Scores, found: Mapping[str, Verdict], settings: Bootstrap) -> str:
    """The four cards. Each is judged on tuned against prompted; what tuned is against base stands beside it."""
    rates = [0.0, 0.25, 0.5, 0.75, 1.0]
    sure = f"{level(settings)} interval"
    prompts, attacks = counted(scores["evaluation.prompts"], "evaluation prompt"), counted(scores["redteam.conversations"], "red-team conversation")
    ratio, kept, broken, gap = (found[name].difference for name in ("perplexity_ratio", "in_character_rate", "redteam_break_rate", "words_from_gold"))
    untrained = {name: scores[f"tuned_vs_base.{name}"] for name in ("perplexity_ratio", "in_character_rate", "redteam_break_rate", "words_from_gold")}
    validation = ", ".join(f"{arm} {plain(scores[f'{arm}.validation_perplexity'].value)}" for arm in ARMS)
    bounds = ", ".join(f"{arm} {percent(scores[f'{arm}.redteam_break_rate_upper_bound'])}" for arm in ARMS)

    def minus(other: str, difference: Estimate) -> str:
        return f"Tuned minus {other}: {points(difference.value)} percentage points ({sure}: {span(difference, points)})."

    def distance(other: str, change: Estimate) -> str:
        return (
            f"Tuned’s mean is {abs(change.value):.1f} words {'nearer to' if change.value < 0 else 'further from'} the gold’s than {other}’s is "
            f"({level(settings)} of the change in distance: {span(change, signed)} words)."
        )

    cards = [
        _card(
            "Perplexity, lower is better",
            "Among how many equally likely tokens the model was choosing, on average, at each token of the gold replies: "
            "the exponential of the mean loss in nats a token.",
            interval_rows(scores, ARMS, "perplexity", None, plain, sure),
            found["perplexity_ratio"],
            f"Tuned’s perplexity is {ratio.value:.3f} times prompted’s ({sure}: {span(ratio, factor)}).",
            f"Of base’s it is {untrained['perplexity_ratio'].value:.3f} times ({span(untrained['perplexity_ratio'], factor)}).",
            f"n = {counted(scores['test.chats'], 'test chat')}, {counted(scores['test.tokens'], 'token')} of the character’s replies. "
            f"On the {counted(scores['validation.chats'], 'validation chat')}: {validation}.{_by_source(scores)}",
        ),
        _card(
            "Stays in character, higher is better",
            "The share of answers to the evaluation prompts in which none of the known marks of a broken character was found.",
            interval_rows(scores, ARMS, "in_character_rate", rates, percent, sure),
            found["in_character_rate"],
            minus("prompted", kept),
            minus("base", untrained["in_character_rate"]),
            f"n = {prompts}, one answer by each arm.",
        ),
        _card(
            "Breaks under attack, lower is better",
            "The share of red-team conversations, whose visitor presses the model turn by turn to drop its part, in which such a mark was found in any answer.",
            interval_rows(scores, ARMS, "redteam_break_rate", rates, percent, sure),
            found["redteam_break_rate"],
            minus("prompted", broken),
            minus("base", untrained["redteam_break_rate"]),
            f"n = {attacks}, {counted(scores['redteam.answers'], 'answer')} by each arm. "
            f"With a confidence of {level(settings)} the rate is at most: {bounds} (one-sided, exact).",
        ),
        _card(
            "Words in a reply, nearer to the gold is better",
            "The mean number of words of an answer to the evaluation prompts, beside that of the gold replies, whose manner the training is meant to teach.",
            interval_rows(scores, ("gold", *ARMS), "mean_words", None, plain, sure),
            found["words_from_gold"],
            distance("prompted", gap),
            distance("base", untrained["words_from_gold"]),
            f"n = {counted(scores['evaluation.answers'], 'answer')} by each arm, {counted(scores['gold.replies'], 'gold reply', 'gold replies')} "
            f"in {counted(scores['test.chats'], 'test chat')}.",
        ),
    ]
    return f'<section aria-label="The four differences" class="cards">{"".join(cards)}</section>'


def _card(title: str, explain: str, rows: str, verdict: Verdict, told: str, beside: str, count: str) -> str:
    reason = {
        "better": "The interval leaves out “no difference”.",
        "worse": "The interval leaves out “no difference”.",
        "open": "The interval holds “no difference”: these data do not decide.",
        "few": f"Fewer than {FEW} chats or conversations show nothing, whatever the interval.",
    }[verdict.state]
    return (
        f'<section class="card"><h3>{title}</h3><p class="explain">{explain}</p><div class="rows">{rows}</div>'
        f'<p class="verdict">{chip(verdict.state)} {told} {reason}</p>'
        f'<p class="soft">{beside} {count}</p></section>'
    )


def _by_source(scores: Scores) -> str:
    """Perplexity by the kind of source of the test chats, where they have several."""
    kinds = [name.removeprefix("test.chats.") for name in scores if name.startswith("test.chats.")]
    told = "; ".join(
        f"{kind} (n = {scores[f'test.chats.{kind}']}): "
        + ", ".join(f"{arm} {plain(figure.value)} ({span(figure, plain)})" for arm in ARMS if (figure := scores[f"{arm}.perplexity.{kind}"]))
        for kind in kinds
    )
    return f" By source of the chats: {told}." if told else ""


def characters(each: Mapping[str, Scores], names: Mapping[str, str], settings: Bootstrap) -> str:
    """The four differences for each character; nothing where there is only one, for the cards say it all."""
    if len(each) == 1:
        return ""
    body = []
    for character, own in each.items():
        chats, evaluation, redteam = (
            counted(own[count], noun) for count, noun in (("test.chats", "chat"), ("evaluation.prompts", "prompt"), ("redteam.conversations", "conversation"))
        )
        cells = {
            "perplexity": _cell(own, ARMS, "perplexity", "perplexity_ratio", plain, factor, chats),
            "stays in character": _cell(own, ARMS, "in_character_rate", "in_character_rate", percent, points, evaluation),
            "breaks under attack": _cell(own, ARMS, "redteam_break_rate", "redteam_break_rate", percent, points, redteam),
            "words in a reply": _cell(own, ("gold", *ARMS), "mean_words", "words_from_gold", plain, signed, evaluation),
        }
        shown = "".join(f'<td class="cell"><p class="measure">{measure}</p>{cell}</td>' for measure, cell in cells.items())
        body.append(f'<tr><th scope="row">{text(names[character])}</th>{shown}</tr>')
    heads = "".join(f'<th scope="col">{measure}</th>' for measure in cells)
    return (
        f"<section><h2>By character</h2><p>One adapter plays all {counted(len(each), 'character')}. The four differences above are taken over all of them.</p>"
        f'<table class="characters"><caption>Each figure with its {level(settings)} interval. The last line of figures is the change from prompted to tuned: '
        "tuned’s perplexity as a multiple of prompted’s, percentage points, and words further from (+) or nearer to (\u2212) this character’s own gold. "
        f"Below {FEW} chats or conversations an interval shows nothing, whatever it leaves out.</caption>"
        f'<thead><tr><th scope="col">character</th>{heads}</tr></thead><tbody>{"".join(body)}</tbody></table></section>'
    )


def _cell(own: Scores, arms: Sequence[str], metric: str, change: str, show: Callable[[float], str], show_change: Callable[[float], str], count: str) -> str:
    """One character's figures of one metric, the change from prompted to tuned, and how many it was measured on."""
    figures = {arm: own[f"{arm}.{metric}"] for arm in arms if f"{arm}.{metric}" in own}
    lines = [f'<p>{arm_name(arm)} <b>{show(figure.value)}</b> <span class="soft">({span(figure, show)})</span></p>' for arm, figure in figures.items()]
    if difference := own.get(f"tuned_vs_prompted.{change}"):
        lines.append(f'<p>change <b>{show_change(difference.value)}</b> <span class="soft">({span(difference, show_change)})</span></p>')
    return f'{"".join(lines)}<p class="soft">{f"n = {count}" if difference else "No such prompt was asked."}</p>'
