"""How the page writes what all its parts have: an arm's name, a figure, an interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stages.evaluate.intervals import Estimate
from stages.evaluate.scores import Bootstrap

SET_NAMES = {"evaluation": "Evaluation", "redteam": "Red team"}
ICONS = {
    "base": '<svg viewBox="-6 -6 12 12" aria-hidden="true"><path d="M0,-5.5 L6,5 H-6 Z"/></svg>',
    "prompted": '<svg viewBox="-6 -6 12 12" aria-hidden="true"><path d="M-5,-5 H5 V5 H-5 Z"/></svg>',
    "tuned": '<svg viewBox="-6 -6 12 12" aria-hidden="true"><circle r="5.5"/></svg>',
    "gold": '<svg viewBox="-6 -6 12 12" aria-hidden="true"><path d="M0,-6 L6,0 L0,6 L-6,0 Z"/></svg>',
}


def arm_name(arm: str) -> str:
    return f'<span class="arm {arm}">{ICONS[arm]}{arm}</span>'


def listed(names: Sequence[str]) -> str:
    """ "A", "A and B", "A, B and C"."""
    return " and ".join([*filter(None, [", ".join(names[:-1])]), names[-1]])


def level(settings: Bootstrap) -> str:
    return f"{100 * settings.confidence:g}\u00a0%"


def chip(state: str) -> str:
    """The verdict on a difference, in two words."""
    label = {"better": "Real gain", "worse": "Real loss", "open": "Not shown", "few": "Too few"}[state]
    return f'<span class="chip {"real" if state in ("better", "worse") else "open"}">{label}</span>'


def plain(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:.1f}"


def fine(value: float) -> str:
    return signed(value, 2) if value < 0 else f"{value:.2f}"


def span(estimate: Estimate, show: Callable[[float], str]) -> str:
    return f"{show(estimate.lower)} to {show(estimate.upper)}"


def signed(value: float, digits: int = 1) -> str:
    shown = f"{abs(value):.{digits}f}"
    return shown if not float(shown) else ("\u2212" if value < 0 else "+") + shown


def chance(p: float) -> str:
    """A p-value with its sign, as HTML."""
    return f"p = {p:.4f}" if p >= 0.00005 else "p &lt; 0.0001"


def factor(value: float) -> str:
    return f"{value:.3f}"


def points(rate: float) -> str:
    """A difference of rates in percentage points."""
    return signed(100 * rate, 0)


def spaced(family: str) -> str:
    return family.replace("_", " ")
