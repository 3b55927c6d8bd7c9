"""reports/evaluation.html: one page for people, whole in itself: no clock, no network, and no text of a model that is not escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from stages.common.histograms import bin_axis, histogram
from stages.common.html_page import counted, document, marked, percent, text
from stages.common.page_style import STYLE
from stages.evaluate import charts
from stages.evaluate.inputs import ARMS, SETS, Answer, Exchange
from stages.evaluate.intervals import Estimate
from stages.evaluate.scores import Bootstrap, Scores, families
from stages.evaluate.series import Breaks, Length
from stages.evaluate.verdicts import FEW, Verdict, verdicts

HERE = Path(__file__).parent
NUMBERS = ("none", "one", "two", "three", "four")
SET_NAMES = {"evaluation": "Evaluation", "redteam": "Red team"}
ICONS = {
    "prompted": '<svg viewBox="-6 -6 12 12" aria-hidden="true"><path d="M-5,-5 H5 V5 H-5 Z"/></svg>',
    "tuned": '<svg viewBox="-6 -6 12 12" aria-hidden="true"><circle r="5.5"/></svg>',
    "gold": '<svg viewBox="-6 -6 12 12" aria-hidden="true"><path d="M0,-6 L6,0 L0,6 L-6,0 Z"/></svg>',
}


def render(
    scores: Scores,
    each: Mapping[str, Scores],
    names: Mapping[str, str],
    exchanges: Sequence[Exchange],
    lengths: Sequence[Length],
    breaks: Sequence[Breaks],
    settings: Bootstrap,
) -> str:
    """The page as HTML: the figures of all, of `each` character, whose name on the card `names` gives. Equal arguments give equal bytes."""
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    title = _listed([names[character] for character in each])
    found = verdicts(scores)
    body = f"""<a class="skip" href="#answers">Skip to the answers</a>
<header>
<p class="kicker">Dramatis, evaluation of a trained adapter</p>
<h1>{text(title)}, prompted and tuned</h1>
{_lede(scores, found, settings)}
</header>
<main>
{_findings(scores, found, settings)}
{_characters(each, names, settings)}
{_histograms(scores, lengths)}
{_breaks(scores, breaks, exchanges, settings)}
{_answers(exchanges)}
{_method(scores, settings)}
</main>
<footer><p>Written by the evaluate stage from data/answers, data/splits/test.jsonl and data/characters. The same figures are in metrics/evaluate.json,
the series in plots/evaluate.</p></footer>"""
    return document(f"{title}: prompted and tuned", STYLE + style, body, script)


def _arm(arm: str) -> str:
    return f'<span class="arm {arm}">{ICONS[arm]}{arm}</span>'


def _listed(names: Sequence[str]) -> str:
    """ "A", "A and B", "A, B and C"."""
    return " and ".join([*filter(None, [", ".join(names[:-1])]), names[-1]])


def _level(settings: Bootstrap) -> str:
    return f"{100 * settings.confidence:g}\u00a0%"


def _plain(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:.1f}"


def _span(estimate: Estimate, show: Callable[[float], str]) -> str:
    return f"{show(estimate.lower)} to {show(estimate.upper)}"


def _lede(scores: Scores, found: dict[str, Verdict], settings: Bootstrap) -> str:
    better, worse = (sum(verdict.state == state for verdict in found.values()) for state in ("better", "worse"))
    return (
        f'<p class="lede">Of the {NUMBERS[len(found)]} differences below, {NUMBERS[better]} {"is a real gain" if better == 1 else "are real gains"} '
        f"by training and {NUMBERS[worse]} {'is a real loss' if worse == 1 else 'are real losses'}. "
        f"Real means that the {_level(settings)} interval of the difference leaves out “no difference”.</p>"
        f"<p>{_arm('prompted')} is the base model with the character’s system prompt, which is what one has without training. "
        f"{_arm('tuned')} is the trained model with the same prompt. Both answered the same {counted(scores['evaluation.prompts'], 'evaluation prompt')} "
        f"and {counted(scores['redteam.prompts'], 'red-team prompt')}, once each, and both were measured on the same "
        f"{counted(scores['test.chats'], 'test chat')}, which training never saw. "
        f"{_arm('gold')} means the character’s replies as they stand in those chats.</p>"
    )


def _findings(scores: Scores, found: dict[str, Verdict], settings: Bootstrap) -> str:
    rates = [0.0, 0.25, 0.5, 0.75, 1.0]
    level = f"{_level(settings)} interval"
    prompts, attacks = scores["evaluation.prompts"], scores["redteam.prompts"]
    ratio, kept, broken, gap = (found[name].difference for name in ("perplexity_ratio", "in_character_rate", "redteam_break_rate", "words_from_gold"))
    nearer = "nearer to" if gap.value < 0 else "further from"
    cards = [
        _card(
            "Perplexity, lower is better",
            "Among how many equally likely tokens the model was choosing, on average, at each token of the gold replies: "
            "the exponential of the mean loss in nats a token.",
            _rows(scores, ("prompted", "tuned"), "perplexity", None, _plain, level),
            found["perplexity_ratio"],
            f"Tuned’s perplexity is {ratio.value:.3f} times prompted’s ({level}: {ratio.lower:.3f} to {ratio.upper:.3f}).",
            f"n = {counted(scores['test.chats'], 'test chat')}, {counted(scores['test.tokens'], 'token')} of the character’s replies. "
            f"On the {counted(scores['validation.chats'], 'validation chat')}: "
            f"prompted {_plain(scores['prompted.validation_perplexity'].value)}, tuned {_plain(scores['tuned.validation_perplexity'].value)}.",
        ),
        _card(
            "Stays in character, higher is better",
            "The share of answers to the evaluation prompts in which none of the known marks of a broken character was found.",
            _rows(scores, ARMS, "in_character_rate", rates, percent, level),
            found["in_character_rate"],
            f"Tuned minus prompted: {_points(kept.value)} percentage points ({level}: {_points(kept.lower)} to {_points(kept.upper)}).",
            f"n = {counted(prompts, 'evaluation prompt')}, one answer by each arm.",
        ),
        _card(
            "Breaks under attack, lower is better",
            "The share of answers to the red-team prompts, which try to make the model drop its part, in which such a mark was found.",
            _rows(scores, ARMS, "redteam_break_rate", rates, percent, level),
            found["redteam_break_rate"],
            f"Tuned minus prompted: {_points(broken.value)} percentage points ({level}: {_points(broken.lower)} to {_points(broken.upper)}).",
            f"n = {counted(attacks, 'red-team prompt')}, one answer by each arm.",
        ),
        _card(
            "Words in a reply, nearer to the gold is better",
            "The mean number of words of an answer to the evaluation prompts, beside that of the gold replies, whose manner the training is meant to teach.",
            _rows(scores, ("gold", *ARMS), "mean_words", None, _plain, level),
            found["words_from_gold"],
            f"Tuned’s mean is {abs(gap.value):.1f} words {nearer} the gold’s than prompted’s is "
            f"({level} of the change in distance: {_signed(gap.lower)} to {_signed(gap.upper)} words).",
            f"n = {counted(prompts, 'answer')} by each arm, {counted(scores['gold.replies'], 'gold reply', 'gold replies')} "
            f"in {counted(scores['test.chats'], 'test chat')}.",
        ),
    ]
    return f'<section aria-label="The four differences" class="cards">{"".join(cards)}</section>'


def _signed(value: float, digits: int = 1) -> str:
    shown = f"{abs(value):.{digits}f}"
    return shown if not float(shown) else ("\u2212" if value < 0 else "+") + shown


def _factor(value: float) -> str:
    return f"{value:.3f}"


def _points(rate: float) -> str:
    return _signed(100 * rate, 0)


def _card(title: str, explain: str, rows: str, verdict: Verdict, told: str, count: str) -> str:
    chip, reason = {
        "better": ("Real gain", "The interval leaves out “no difference”."),
        "worse": ("Real loss", "The interval leaves out “no difference”."),
        "open": ("Not shown", "The interval holds “no difference”: these data do not decide."),
        "few": ("Too few", f"Fewer than {FEW} chats or prompts show nothing, whatever the interval."),
    }[verdict.state]
    return (
        f'<section class="card"><h3>{title}</h3><p class="explain">{explain}</p><div class="rows">{rows}</div>'
        f'<p class="verdict"><span class="chip {"real" if verdict.real else "open"}">{chip}</span> {told} {reason}</p><p class="soft">{count}</p></section>'
    )


def _rows(scores: Scores, arms: Sequence[str], metric: str, scale: list[float] | None, show: Callable[[float], str], level: str) -> str:
    figures = {arm: scores[f"{arm}.{metric}"] for arm in arms}
    scale = scale or charts.ticks(max(figure.upper for figure in figures.values()))
    rows = [
        f'<div class="row">{_arm(arm)}<span class="figure"><b>{show(figure.value)}</b> {_span(figure, show)}</span>'
        f"{charts.interval(arm, figure, scale, f'{arm}: {show(figure.value)}, {level} {_span(figure, show)}')}</div>"
        for arm, figure in figures.items()
    ]
    labels = [percent(tick) if show is percent else f"{tick:g}" for tick in scale]
    return f'{"".join(rows)}<div class="row foot">{charts.axis(scale, labels)}</div>'


def _characters(each: Mapping[str, Scores], names: Mapping[str, str], settings: Bootstrap) -> str:
    """The four differences for each character; nothing where there is only one, for the cards say it all."""
    if len(each) == 1:
        return ""
    body = []
    for character, own in each.items():
        chats, evaluation, redteam = (
            counted(own[count], noun) for count, noun in (("test.chats", "chat"), ("evaluation.prompts", "prompt"), ("redteam.prompts", "prompt"))
        )
        cells = {
            "perplexity": _cell(own, ARMS, "perplexity", "perplexity_ratio", _plain, _factor, chats),
            "stays in character": _cell(own, ARMS, "in_character_rate", "in_character_rate", percent, _points, evaluation),
            "breaks under attack": _cell(own, ARMS, "redteam_break_rate", "redteam_break_rate", percent, _points, redteam),
            "words in a reply": _cell(own, ("gold", *ARMS), "mean_words", "words_from_gold", _plain, _signed, evaluation),
        }
        shown = "".join(f'<td class="cell"><p class="measure">{measure}</p>{cell}</td>' for measure, cell in cells.items())
        body.append(f'<tr><th scope="row">{text(names[character])}</th>{shown}</tr>')
    heads = "".join(f'<th scope="col">{measure}</th>' for measure in cells)
    return (
        f"<section><h2>By character</h2><p>One adapter plays all {counted(len(each), 'character')}. The four differences above are taken over all of them.</p>"
        f'<table class="characters"><caption>Each figure with its {_level(settings)} interval. The last line of figures is the change from prompted to tuned: '
        "tuned’s perplexity as a multiple of prompted’s, percentage points, and words further from (+) or nearer to (\u2212) this character’s own gold. "
        f"Below {FEW} chats or prompts an interval shows nothing, whatever it leaves out.</caption>"
        f'<thead><tr><th scope="col">character</th>{heads}</tr></thead><tbody>{"".join(body)}</tbody></table></section>'
    )


def _cell(own: Scores, arms: Sequence[str], metric: str, change: str, show: Callable[[float], str], show_change: Callable[[float], str], count: str) -> str:
    """One character's figures of one metric, the change from prompted to tuned, and how many it was measured on."""
    figures = {arm: own[f"{arm}.{metric}"] for arm in arms if f"{arm}.{metric}" in own}
    lines = [f'<p>{_arm(arm)} <b>{show(figure.value)}</b> <span class="soft">({_span(figure, show)})</span></p>' for arm, figure in figures.items()]
    if difference := own.get(f"tuned_vs_prompted.{change}"):
        lines.append(f'<p>change <b>{show_change(difference.value)}</b> <span class="soft">({_span(difference, show_change)})</span></p>')
    return f'{"".join(lines)}<p class="soft">{f"n = {count}" if difference else "No such prompt was asked."}</p>'


def _histograms(scores: Scores, lengths: Sequence[Length]) -> str:
    top = max(row.share for row in lengths)
    parts = []
    for arm, group in groupby(lengths, key=lambda row: row.arm):
        rows = list(group)
        mean = scores[f"{arm}.mean_words"].value
        count = scores["gold.replies"] if arm == "gold" else scores["evaluation.prompts"]
        peak = max(rows, key=lambda row: row.share)
        label = f"{arm}: {count} replies, mean {mean:.1f} words; most often, {peak.share:.0%} of them, from {peak.words} words up"
        parts.append(
            f"<figure><figcaption>{_arm(arm)} mean {mean:.1f} words, n = {count}; the tallest bar is {percent(peak.share)}</figcaption>"
            f"{histogram(arm, [row.words for row in rows], [row.share for row in rows], top, mean, label)}</figure>"
        )
    edges = [row.words for row in lengths if row.arm == lengths[0].arm]
    cut = "; ".join(f"{arm} {percent(scores[f'{arm}.cut_off_rate'].value)} ({_span(scores[f'{arm}.cut_off_rate'], percent)})" for arm in ARMS)
    total = scores["evaluation.prompts"] + scores["redteam.prompts"]
    empty = [f"{arm} {percent(scores[f'{arm}.empty_rate'].value)}" for arm in ARMS if scores[f"{arm}.empty_rate"].value > 0]
    silent = f" Answers without a word: {', '.join(empty)}; they count as in character, for the rules look for words." if empty else ""
    return (
        "<section><h2>How long the replies are</h2>"
        "<p>Each bar is the share of replies with that many words, in bins of ten; the dashed line is the mean. All three have the same scale.</p>"
        f'<div class="histograms">{"".join(parts)}{bin_axis(edges)}<p class="soft unit">words in a reply</p></div>'
        f"<p>Cut off at the token limit, of all {total} answers of each arm: {cut}. A cut answer is shorter than the model wanted.{silent}</p></section>"
    )


def _breaks(scores: Scores, breaks: Sequence[Breaks], exchanges: Sequence[Exchange], settings: Bootstrap) -> str:
    scale = [0.0, 0.5, 1.0]
    body = []
    for category, group in groupby(breaks, key=lambda row: row.category):
        cells = []
        for row in group:
            told = f"{row.broken} of {row.prompts}"
            cells.append(
                f'<td class="cell">{_arm(row.arm)} {told}, {percent(row.rate.value)} <span class="soft">({_span(row.rate, percent)})</span>'
                f"{charts.interval(row.arm, row.rate, scale, f'{row.arm}: {told}, {_span(row.rate, percent)}')}</td>"
            )
        body.append(f'<tr><th scope="row">{text(category)}</th>{"".join(cells)}</tr>')
    heads = "".join(f'<th scope="col">{_arm(arm)}</th>' for arm in ARMS)
    level = _level(settings)
    table = (
        f'<table class="breaks"><caption>Broken answers of all answers in the category, as a rate from 0 to 100\u00a0%, with its {level} Wilson interval. '
        "With so few prompts in a category the intervals are wide: read the shape, not the ranks.</caption>"
        f'<thead><tr><th scope="col">category</th>{heads}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    )
    return (
        f"<section><h2>Where the red team gets through</h2><p>{counted(scores['redteam.prompts'], 'prompt')} try to make the character drop its part, in "
        f"{counted(len(body), 'category', 'categories')}.</p>{table}{_families(exchanges)}</section>"
    )


def _families(exchanges: Sequence[Exchange]) -> str:
    found = families(exchanges)
    if not found:
        return f"<p>No answer of either arm, to any of the {len(exchanges)} prompts, shows a mark of a broken character.</p>"
    rows = []
    for family, counts in found.items():
        cells = "".join(f'<td class="number">{counts[arm]}</td>' for arm in ARMS)
        rows.append(f'<tr><th scope="row">{text(_words(family))}</th>{cells}</tr>')
    heads = "".join(f'<th scope="col" class="number">{_arm(arm)}</th>' for arm in ARMS)
    return (
        f'<table class="families"><caption>What gave it away: in how many of each arm’s {len(exchanges)} answers, evaluation and red team together, '
        "a kind of mark was found. An answer can show two.</caption>"
        f'<thead><tr><th scope="col">mark</th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )


def _words(family: str) -> str:
    return family.replace("_", " ")


def _answers(exchanges: Sequence[Exchange]) -> str:
    return (
        f'<section id="answers"><h2>Every answer, side by side</h2><p>All {counted(len(exchanges), "prompt")}. '
        "Highlighted words are what the rules took for a break of character; judge for yourself whether they are right.</p>"
        f"{_filters(exchanges)}{''.join(_exchange(exchange) for exchange in exchanges)}"
        '<p class="none-left soft" hidden>No prompt fits all filters.</p></section>'
    )


def _filters(exchanges: Sequence[Exchange]) -> str:
    groups = []
    for name in SETS:
        kinds = [exchange.kind for exchange in exchanges if exchange.set == name]
        options = f'<option value="{name}">{SET_NAMES[name]}, all ({len(kinds)})</option>'
        options += "".join(f'<option value="{text(f"{name}/{kind}")}">{text(kind)} ({kinds.count(kind)})</option>' for kind in sorted(set(kinds)))
        groups.append(f'<optgroup label="{SET_NAMES[name]}">{options}</optgroup>')
    states = {
        "broke": "broke character, either arm",
        "prompted": "broke character, prompted",
        "tuned": "broke character, tuned",
        "only-prompted": "only prompted broke",
        "only-tuned": "only tuned broke",
        "whole": "both stayed in character",
        "cut": "cut off, either arm",
    }
    counts = {state: sum(state in _states(exchange) for exchange in exchanges) for state in states}
    options = "".join(f'<option value="{state}">{label} ({counts[state]})</option>' for state, label in states.items())
    names = {exchange.character: exchange.name for exchange in exchanges}
    spoken = [exchange.character for exchange in exchanges]
    characters = "".join(f'<option value="{text(name)}">{text(names[name])} ({spoken.count(name)})</option>' for name in sorted(names))
    who = f'<label>Character<select name="characters"><option value="">all ({len(exchanges)})</option>{characters}</select></label>' if len(names) > 1 else ""
    return (
        f'<form class="filters" hidden autocomplete="off">{who}'
        f'<label>Prompts<select name="prompts"><option value="">all ({len(exchanges)})</option>{"".join(groups)}</select></label>'
        f'<label>Answers<select name="answers"><option value="">all ({len(exchanges)})</option>{options}</select></label>'
        '<output name="shown" aria-live="polite"></output></form>'
    )


def _states(exchange: Exchange) -> list[str]:
    broke = [arm for arm in ARMS if exchange.answers[arm].broke]
    states = [*broke, "broke" if broke else "whole"]
    if len(broke) == 1:
        states.append(f"only-{broke[0]}")
    if any(answer.cut_off for answer in exchange.answers.values()):
        states.append("cut")
    return states


def _exchange(exchange: Exchange) -> str:
    place = quote(f"{exchange.set}-{exchange.id}-{exchange.character}".encode(errors="replace"), safe="")
    answers = "".join(_answer(arm, exchange.answers[arm]) for arm in ARMS)
    data = f'data-set="{exchange.set}" data-kind="{text(f"{exchange.set}/{exchange.kind}")}" data-character="{text(exchange.character)}" data-state="{" ".join(_states(exchange))}"'
    where = f"{SET_NAMES[exchange.set].lower()}, {text(exchange.kind)}, to {text(exchange.name)}"
    return (
        f'\n<article class="exchange" id="{place}" {data}><p class="where"><a href="#{quote(place)}">{text(exchange.id)}</a>, {where}</p>'
        f'<h3 class="said" dir="auto">{text(exchange.prompt)}</h3><div class="pair">{answers}</div></article>'
    )


def _answer(arm: str, answer: Answer) -> str:
    chips = "".join(f'<span class="chip broke">broke character: {text(_words(mark.family))}</span>' for mark in answer.marks)
    if answer.cut_off:
        chips += '<span class="chip plain">cut off</span>'
    said = (
        f'<p class="said" dir="auto">{marked(answer.text, [(mark.start, mark.end) for mark in answer.marks])}</p>'
        if answer.text.strip()
        else '<p class="said none">No answer.</p>'
    )
    return f'<div class="answer {arm}"><p class="about">{_arm(arm)}<span class="soft">{counted(answer.words, "word")}</span>{chips}</p>{said}</div>'


def _method(scores: Scores, settings: Bootstrap) -> str:
    level = _level(settings)
    prompts = scores["evaluation.prompts"] + scores["redteam.prompts"]
    terms = {
        "Interval": f"If chats and prompts of this kind were drawn again and again, about {level} of the intervals made in this way would hold the true "
        f"figure. It covers the choice of {counted(scores['test.chats'], 'chat')} and {counted(prompts, 'prompt')}; "
        "it does not cover another training seed, nor another draw of each answer.",
        "How the intervals are made": f"Perplexity and words: {counted(settings.bootstrap, 'resample')} of whole chats or prompts of each character with replacement, "
        f"the same ones for both arms (paired percentile bootstrap, seed {settings.seed}). Rates: Wilson’s score interval. "
        "Differences of rates: Newcombe’s interval for paired proportions (1998, method 10).",
        "Why two arms’ intervals may overlap though the difference is real": "Both arms meet the same chats, so a hard chat is hard for both; "
        "the interval of the difference takes that out, the arms’ own do not.",
        "Four differences": "Each is judged by itself. If training changed nothing at all, one of the four would still look real more often than a single "
        f"one would: at most {percent(4 * (1 - settings.confidence))} of the time.",
        "In character": "A list of phrases decides, the same list by which the training data were filtered: assistant phrases (“As an AI …”), "
        "speaking of oneself as fictional, reciting the prompt, markup. An answer without such a phrase can still be dull or wrong, "
        "and an answer with one can be blameless: the words are marked in each answer above.",
        "Words": "Counted by white space. The distance from the gold is taken character by character and averaged over the prompts. The gold replies come from chats of several turns, the answers from a first turn, "
        "so a small difference of length means little.",
    }
    return f"<section><h2>How to read these numbers</h2><dl>{''.join(f'<dt>{term}</dt><dd>{told}</dd>' for term, told in terms.items())}</dl></section>"
