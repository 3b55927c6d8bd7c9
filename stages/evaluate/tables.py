"""The arms held against one another: one figure of each on one scale, and tables of several figures, in which on a narrow screen every cell says whose it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stages.common.html_page import percent, text
from stages.evaluate import charts
from stages.evaluate.inputs import ARMS
from stages.evaluate.intervals import Estimate
from stages.evaluate.scores import Scores
from stages.evaluate.wording import arm_name, span

SHARES = [0.0, 0.5, 1.0]


def interval_rows(scores: Scores, arms: Sequence[str], metric: str, scale: list[float] | None, show: Callable[[float], str], sure: str) -> str:
    """One figure of each arm under the other on one scale, from 0 to the highest end where `scale` is None; `sure` names the interval."""
    figures = {arm: scores[f"{arm}.{metric}"] for arm in arms}
    scale = scale or charts.ticks(max(figure.upper for figure in figures.values()))
    rows = [
        f'<div class="row">{arm_name(arm)}<span class="figure"><b>{show(figure.value)}</b> {span(figure, show)}</span>'
        f"{charts.interval(arm, figure, scale, f'{arm}: {show(figure.value)}, {sure} {span(figure, show)}')}</div>"
        for arm, figure in figures.items()
    ]
    labels = [percent(tick) if show is percent else f"{tick:g}" for tick in scale]
    return f'{"".join(rows)}<div class="row foot">{charts.axis(scale, labels)}</div>'


def by_arm(by: str, rows: Mapping[str, Mapping[str, str]], caption: str) -> str:
    """The table: `rows` give for each name, which is any text, and each arm the HTML of a cell."""
    heads = "".join(f'<th scope="col">{arm_name(arm)}</th>' for arm in ARMS)
    body = []
    for name, told in rows.items():
        cells = "".join(f'<td class="cell">{arm_name(arm)} {told[arm]}</td>' for arm in ARMS)
        body.append(f'<tr><th scope="row">{text(name)}</th>{cells}</tr>')
    return f'<table class="by-arm"><caption>{caption}</caption><thead><tr><th scope="col">{by}</th>{heads}</tr></thead><tbody>{"".join(body)}</tbody></table>'


def less_prompted(scores: Scores, arm: str, metric: str, show: Callable[[float], str]) -> str:
    """The change from prompted to tuned, behind the interval of tuned's own figure; nothing for another arm."""
    change = scores.get(f"tuned_vs_prompted.{metric}") if arm == "tuned" else None
    return "" if change is None else f"; change {show(change.value)}, {span(change, show)}"


def rate_cell(arm: str, rate: Estimate, told: str = "", beside: str = "") -> str:
    """A rate with its interval, as words and as a chart; `told` is said before it and `beside` after the interval."""
    said = f"{told}, " if told else ""
    return (
        f'{said}{percent(rate.value)} <span class="soft">({span(rate, percent)}{beside})</span>'
        f"{charts.interval(arm, rate, SHARES, f'{arm}: {told or percent(rate.value)}, {span(rate, percent)}')}"
    )
