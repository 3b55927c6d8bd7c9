"""reports/filter.html: what was dropped and why, with examples, and what that did to the words. It needs no script."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from stages.common.histograms import bin_axis, histogram
from stages.common.html_page import counted, document, marked, number, percent, text
from stages.common.page_style import STYLE
from stages.filter.marks import marks
from stages.filter.passages import Span, excerpt
from stages.filter.words_used import EDGES, Lengths, Overused, Variety

OWN_STYLE = Path(__file__).with_suffix(".css")
EXAMPLES = 10  # of each rule
TURNS = 8  # of an example
TURN = 1200  # characters of a turn; the longest reply of the gold has some 500
REASON = 300  # characters of what was found and of what was expected
# Characters that turn the direction of what follows show as the replacement character: an example is read to judge it, and so must stand as it was written.
TURNING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd")
WHO = {"human": "visitor", "gpt": "character"}
ICONS = {
    "before": '<svg viewBox="-6 -6 12 12" aria-hidden="true"><path d="M-5,-5 H5 V5 H-5 Z"/></svg>',
    "after": '<svg viewBox="-6 -6 12 12" aria-hidden="true"><circle r="5.5"/></svg>',
    "gold": '<svg viewBox="-6 -6 12 12" aria-hidden="true"><path d="M0,-6 L6,0 L0,6 L-6,0 Z"/></svg>',
}


@dataclass(frozen=True)
class Step:
    """What one rule dropped."""

    rule: str
    """FAMILY.NAME, as in rejects.jsonl."""
    drops: Mapping[str, int]
    """Chats, by kind of source; kinds of which it dropped none may be missing."""


@dataclass(frozen=True)
class Example:
    """A dropped chat and the reason."""

    id: str
    kind: str
    """Of its source."""
    rule: str
    found: str | float
    expected: str | float
    turns: tuple[tuple[str, str], ...]
    """(speaker, words); the speaker is "human" or "gpt"."""


@dataclass(frozen=True)
class Findings:
    """All that the page tells."""

    came: Mapping[str, int]
    """Chats that came in, by kind of source."""
    cut: int
    """Of the kept, those that were cut to the length that fits the model."""
    steps: Sequence[Step]
    """In the order in which the rules are asked; rules that dropped nothing may be there."""
    examples: Sequence[Example]
    """EXAMPLES of each rule are shown, the first."""
    before: Lengths | None
    """The replies of all chats that came in; None where there are none."""
    after: Lengths | None
    gold: Lengths | None
    variety: Variety | None
    overused: Sequence[Overused]
    """The words that kept chats other than gold over-use, the surest first."""


def example(reject: Mapping) -> Example:
    """From a line of data/filtered/rejects.jsonl."""
    chat = reject["chat"]
    turns = tuple((turn["from"], turn["value"]) for turn in chat["conversations"] if turn["from"] in WHO)
    return Example(reject["id"], chat["source"]["kind"], reject["rule"], reject["found"], reject["expected"], turns)


def page(findings: Findings) -> str:
    """The page as HTML. Equal findings give equal bytes."""
    came, dropped = sum(findings.came.values()), sum(sum(step.drops.values()) for step in findings.steps)
    title = f"{number(came - dropped)} of {counted(came, 'chat')} kept"
    cut = f" {counted(findings.cut, 'kept chat was', 'kept chats were')} cut at a turn, to fit what the model reads at once." if findings.cut else ""
    body = f"""<a class="skip" href="#dropped">Skip to the dropped chats</a>
<header>
<p class="kicker">Dramatis, filter: what was dropped and why</p>
<h1>{title}</h1>
<p class="lede">{counted(dropped, "chat was", "chats were")} dropped, {_share(dropped, came)} of what came in.{cut}</p>
<p>Each dropped chat is a line of data/filtered/rejects.jsonl with rule, what was found and what would have been allowed. To follow one chat from its source
to its split or its drop: <code>python -m tools.explain CHAT_ID</code>.</p>
</header>
<main>
{_funnel(findings)}
{_dropped(findings)}
{_lengths(findings)}
{_variety(findings.variety)}
{_overused(findings.overused)}
{_method()}
</main>
<footer><p>Written by the filter stage from data/curated/chats.jsonl and data/synthetic/chats.jsonl. The counts are in metrics/filter.json too.</p></footer>"""
    return document(f"Filter: {title}", STYLE + OWN_STYLE.read_text(encoding="utf-8"), body)


def _share(part: int, whole: int) -> str:
    """As a percentage with so many digits that a rare thing is not none."""
    return "none" if not part or not whole else f"{100 * part / whole:.2g}\u00a0%" if part < whole / 10 else percent(part / whole)


def _table(caption: str, heads: Sequence[str], rows: Sequence[str], name: str) -> str:
    """A table that scrolls by itself where the screen is narrow, also by keyboard."""
    top = "".join(f'<th scope="col"{" class=number" if place else ""}>{head}</th>' for place, head in enumerate(heads))
    return (
        f'<div class="wide {name}" role="region" tabindex="0" aria-label="{name}, a table"><table><caption>{caption}</caption>'
        f"<thead><tr>{top}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _number(value: int) -> str:
    return f'<td class="number{"" if value else " zero"}">{number(value)}</td>'


def _place(rule: str) -> str:
    """The id of a rule's examples, safe in an attribute."""
    return "rule-" + quote(rule.encode(errors="replace"), safe="").replace("%", "-")


def _funnel(findings: Findings) -> str:
    kinds, came = list(findings.came), sum(findings.came.values())
    shown = {one.rule for one in findings.examples}
    rows = [
        f'<tr><th scope="row">came in</th>{"".join(_number(findings.came[kind]) for kind in kinds)}<td></td>{_number(came)}<td class="bar">{_bar(came, 0, came)}</td></tr>'
    ]
    left, lost = came, dict.fromkeys(kinds, 0)
    for step in findings.steps:
        gone = sum(step.drops.values())
        left -= gone
        for kind in kinds:
            lost[kind] += step.drops.get(kind, 0)
        name = f'<a href="#{_place(step.rule)}">{_shown(step.rule)}</a>' if step.rule in shown else _shown(step.rule)
        cells = "".join(_number(step.drops.get(kind, 0)) for kind in kinds)
        rows.append(
            f'<tr{"" if gone else " class=none"}><th scope="row">{name}</th>{cells}{_number(gone)}{_number(left)}<td class="bar">{_bar(left, gone, came)}</td></tr>'
        )
    rows.append(
        f'<tr><th scope="row">kept</th>{"".join(_number(findings.came[kind] - lost[kind]) for kind in kinds)}<td></td>{_number(left)}<td class="bar">{_bar(left, 0, came)}</td></tr>'
    )
    caption = "Chats by kind of source: what came in, what each rule dropped of it, what was left after it. A chat is counted at the first rule that drops it."
    heads = ["rule", *map(_shown, kinds), "dropped", "left", ""]
    return f"<section><h2>What each rule dropped</h2>{_table(caption, heads, rows, 'funnel')}</section>"


def _bar(left: int, gone: int, came: int) -> str:
    """What is left and, behind it, what the rule has just dropped, as shares of what came."""
    if not came:
        return ""
    rest, lost = 100 * left / came, 100 * gone / came
    behind = f'<rect class="gone" x="{rest:.2f}%" width="{lost:.2f}%" height="14"/>' if gone else ""
    return f'<svg height="14" width="100%" aria-hidden="true"><rect class="left" width="{rest:.2f}%" height="14"/>{behind}</svg>'


def _dropped(findings: Findings) -> str:
    dropped = {step.rule: sum(step.drops.values()) for step in findings.steps}
    groups: dict[str, list[Example]] = {rule: [] for rule in dropped}
    for one in findings.examples:
        groups.setdefault(one.rule, []).append(one)
    parts = []
    for rule, members in groups.items():
        if members:
            shown = members[:EXAMPLES]
            count = max(dropped.get(rule, 0), len(members))
            told = f"{counted(count, 'chat')} dropped" + (f", {len(shown)} shown" if count > len(shown) else "")
            parts.append(
                f'\n<details><summary>{_shown(rule)}<span class="soft">{told}</span></summary>'
                # Inside, for a browser opens what holds the place that a link names.
                f'<div id="{_place(rule)}">{"".join(map(_chat, shown))}</div></details>'
            )
    if not parts:
        return '<section id="dropped"><h2>Dropped chats</h2><p>Nothing was dropped.</p></section>'
    return (
        f'<section id="dropped"><h2>Dropped chats</h2><p>Up to {EXAMPLES} of each rule. The words that the rule found are marked where they can be pointed at; '
        f"judge for yourself whether it is right. filter.off in params.yaml leaves rules out.</p>{''.join(parts)}</section>"
    )


def _chat(one: Example) -> str:
    # What is forbidden to the character may be said to him: the visitor's words are marked only where the character's hold nothing.
    spans = marks([words if speaker == "gpt" else "" for speaker, words in one.turns], one.rule, one.found)
    if not any(spans):
        spans = marks([words for _, words in one.turns], one.rule, one.found)
    first = next((turn for turn, found in enumerate(spans) if found), 0)
    start = max(0, min(first - TURNS // 2, len(one.turns) - TURNS))
    turns = [_turn(speaker, words, found) for (speaker, words), found in list(zip(one.turns, spans, strict=True))[start : start + TURNS]]
    before, after = start, len(one.turns) - start - len(turns)
    if before:
        turns.insert(0, f'<p class="soft">{counted(before, "turn")} before</p>')
    if after:
        turns.append(f'<p class="soft">{counted(after, "more turn")}</p>')
    return (
        f'<article class="chat"><p class="about"><bdi>{_shown(one.id)}</bdi>, {_shown(one.kind)}<br>'
        f"found <b><bdi>{_brief(one.found)}</bdi></b>, expected <bdi>{_brief(one.expected)}</bdi></p>{''.join(turns)}</article>"
    )


def _turn(speaker: str, words: str, spans: Sequence[Span]) -> str:
    shown, inside, before, after = excerpt(words, spans, TURN)
    cuts = [f'<span class="soft">[{counted(count, "character")}] </span>' if count else "" for count in (before, after)]
    return f'<div class="turn {speaker}"><p class="who">{WHO[speaker]}</p><p class="said" dir="auto">{cuts[0]}{marked(shown.translate(TURNING), inside)}{cuts[1]}</p></div>'


def _brief(reason: str | float) -> str:
    told = f"{reason:g}" if isinstance(reason, float) else str(reason)
    return _shown(told if len(told) <= REASON else told[: REASON - 1] + "…")


def _shown(value: str) -> str:
    """Somebody's text, safe and as it was written."""
    return text(value.translate(TURNING))


def _series(name: str) -> str:
    return f'<span class="series {name}">{ICONS[name]}{name}</span>'


def _lengths(findings: Findings) -> str:
    series = {name: found for name in ("before", "after", "gold") if (found := getattr(findings, name))}
    if not series:
        return ""
    top = max(max(found.shares) for found in series.values())
    parts = []
    for name, found in series.items():
        peak = max(range(len(EDGES)), key=lambda place: found.shares[place])
        label = f"{name}: {found.replies} replies, mean {found.mean:.1f} words; most often, {found.shares[peak]:.0%} of them, from {EDGES[peak]} words up"
        parts.append(
            f"<figure><figcaption>{_series(name)} mean {found.mean:.1f} words, n = {number(found.replies)}; the tallest bar is {percent(found.shares[peak])}</figcaption>"
            f"{histogram(name, EDGES, found.shares, top, found.mean, label)}</figure>"
        )
    return (
        "<section><h2>How long the replies are</h2><p>Each bar is the share of the character’s replies with that many words, in bins of ten; the dashed line is the mean. "
        "All have the same scale. The gold is what filter.length_target can steer to.</p>"
        f'<div class="histograms">{"".join(parts)}{bin_axis(EDGES)}<p class="soft unit">words in a reply</p></div></section>'
    )


def _variety(found: Variety | None) -> str:
    if found is None:
        return ""
    rows = [
        f'<tr><th scope="row">distinct-{size}</th><td class="number">{before:.3f}</td><td class="number">{after:.3f}</td><td class="number">{_signed(after - before)}</td></tr>'
        for size, before, after in zip((1, 2, 3), found.before, found.after, strict=True)
    ]
    caption = f"Different words, pairs and triples of words over all of them, in {counted(found.words, 'word')} of the character’s replies, drawn at random from each."
    return f"<section><h2>How varied the words are</h2>{_table(caption, ['', _series('before'), _series('after'), 'change'], rows, 'variety small')}</section>"


def _signed(value: float) -> str:
    shown = f"{abs(value):.3f}"
    return shown if not float(shown) else ("\u2212" if value < 0 else "+") + shown


def _overused(words: Sequence[Overused]) -> str:
    told = "<section><h2>Words over-used against the gold</h2>"
    if not words:
        return f"{told}<p>None, or there is nothing to compare: kept chats beside the gold, and gold.</p></section>"
    rate: Callable[[float], str] = "{:.2f}".format
    rows = [
        f'<tr><th scope="row"><bdi>{_brief(one.word)}</bdi></th><td class="number">{rate(one.here)}</td><td class="number">{rate(one.gold)}</td>'
        f'<td class="number">{one.ratio:.3g}×</td></tr>'
        for one in words
    ]
    caption = "In 1,000 words of the character’s replies: in the kept chats that are not gold, and in the gold. The surest difference comes first."
    return f"{told}{_table(caption, ['word', 'here', _series('gold'), 'ratio'], rows, 'words small')}</section>"


def _method() -> str:
    terms = {
        "Order": "The rules are asked in the order of the first table, the cheap ones first; those that compare chats with each other (duplicates, balance) come last. "
        "A chat that several rules would drop is counted at the first.",
        "Duplicates": "Of chats that say the same one stays: of test before validation before train, then gold before log before import before book before synthetic, then the longest. "
        "“Found” names the one that stayed.",
        "Distinct-n": "Different n-grams over all n-grams (Li et al. 2016). It falls with the amount of text, so both are measured in equally many words.",
        "Over-used": "Log-odds ratio with an informative Dirichlet prior, ranked by z-score (Monroe, Colaresi and Quinn 2008, “Fightin’ Words”); words with z above 3.1 are shown. "
        "The ratio is drawn towards 1 where words are rare.",
        "Samples": "Lengths, distinct-n and words are taken from a sample where there are very many chats; n is told. All counts of chats are of all of them.",
    }
    return f"<section><h2>How to read these numbers</h2><dl>{''.join(f'<dt>{term}</dt><dd>{told}</dd>' for term, told in terms.items())}</dl></section>"
