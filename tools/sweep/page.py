"""reports/sweep.html: a sweep as a picture, as a table, and in words. It needs no script."""

from __future__ import annotations

import re
from pathlib import Path

from stages.common import size
from stages.common.html_page import document, number, text
from stages.common.page_style import STYLE
from tools.sweep.chart import chart
from tools.sweep.conclusions import Conclusion, figure
from tools.sweep.points import Sweep, shown

OWN_STYLE = Path(__file__).with_suffix(".css")


def page(found: Sweep, said: Conclusion) -> str:
    """The page as HTML. Equal arguments give equal bytes."""
    title = f"{found.metric} over {found.over}"
    body = f"""<a class="skip" href="#table">Skip to the table</a>
<header>
<p class="kicker">Dramatis, a sweep of {len(found.points)} experiments</p>
<h1>{text(title)}</h1>
<p class="lede">{text(said.headline)}</p>
</header>
<main>
{chart(found, said)}
{"".join(f"<p>{_with_code(sentence)}</p>" for sentence in said.sentences)}
{_guide(found, said) if found.by_chats else ""}
{_table(found)}
{_method(said)}
</main>
<footer><p>Written by <code>python -m tools.sweep</code> from this repository's experiments; <code>dvc exp show</code> has all their parameters and metrics.</p></footer>"""
    return document(title, STYLE + OWN_STYLE.read_text(encoding="utf-8"), body)


def _with_code(sentence: str) -> str:
    """A sentence as HTML, what stands between backticks as code."""
    return re.sub("`([^`]*)`", r"<code>\1</code>", text(sentence))


def _table(found: Sweep) -> str:
    rows = "".join(
        f'<tr id="row-{place}" tabindex="-1"><th scope="row">{text(shown(point.value))}</th><td>{"-" if point.chats is None else number(point.chats)}</td>'
        f"<td>{figure(point)}</td><td>{text(' = '.join(point.names))}</td></tr>"
        for place, point in enumerate(found.points)
    )
    heads = "".join(f'<th scope="col">{text(head)}</th>' for head in (found.over, "training chats", found.metric, "experiment"))
    return (
        '<section id="table"><h2>The experiments</h2><div class="wide" tabindex="0" role="region" aria-label="The experiments">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _guide(found: Sweep, said: Conclusion) -> str:
    """The guide's table, with where the experiments stand in it."""
    bounds = [0, *(bound for bound, _ in size.CLASSES)]
    there = {size.number(point.chats or 0): "" for point in found.points}
    for place in there:
        there[place] = ", ".join(str(chats) for chats in dict.fromkeys(p.chats or 0 for p in found.points) if size.number(chats) == place)
    if said.reach:
        place = size.number(said.reach)
        there[place] = f"{there.get(place, '')}{', ' if there.get(place) else ''}{said.reach} (ahead)"
    rows = "".join(
        f'<tr><th scope="row">{_span(low, bounds[place + 1] if place + 1 < len(bounds) else None)}</th><td>{size.size_class(low)}</td><td>{there.get(place, "")}</td></tr>'
        for place, low in enumerate(bounds)
    )
    return (
        '<section><h2>Beside the guide’s table</h2><div class="wide" tabindex="0" role="region" aria-label="The guide’s table">'
        '<table><thead><tr><th scope="col">training chats</th><th scope="col">the guide expects</th><th scope="col">here</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div><p>The guide says what models of 8B parameters gain; {size.ADVICE}.</p></section>"
    )


def _span(low: int, high: int | None) -> str:
    if high is None:
        return f"{number(low)} and more"
    return f"{number(low)} to {number(high - 1)}" if low else f"fewer than {number(high)}"


def _method(said: Conclusion) -> str:
    terms = {
        "Interval": "As evaluate gives it: over the chats or conversations that were measured. It covers neither another training seed nor another draw of each answer.",
        "What is drawn": "Experiments that are alike in every parameter but this one; seeds of training and of answers may differ, and those are drawn side by side. "
        "Experiments with equal parameters and equal metrics are one point.",
    }
    if said.trend:
        terms |= {
            "The line": "Weighted least squares of the metric against the logarithm of the number of training chats: each point weighs 1/σ², σ being half its interval over z; "
            "the slope’s variance is 1/Σw(x − x̄)² (Press et al., Numerical Recipes, 15.2). Where the points scatter more than their intervals say, errors are multiplied by "
            "√(χ²/(points − 2)) (Birge 1932). All experiments are measured on the same test chats, which the intervals cannot know: for the slope they are rather too wide than too narrow.",
            "Why the logarithm": "Learning curves are close to a power law between a part with too few examples and an end that no number of them gets below (Hestness et al. 2017, "
            "arXiv 1712.00409); over a small range that is straight against the logarithm. Beyond the points it is a guess with an interval.",
            "Worth it": "Yes: the whole interval of the change is a gain, and the change is larger than what training seeds alone make. "
            "No: the most that the interval allows is no gain, or no larger one. Cannot tell: anything between.",
        }
    return f"<section><h2>How to read this</h2><dl>{''.join(f'<dt>{term}</dt><dd>{told}</dd>' for term, told in terms.items())}</dl></section>"
