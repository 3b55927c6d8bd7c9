"""The top of the page: what came out, in words, and whether the gate lets the model pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stages.common.html_page import counted, number, text
from stages.evaluate.gate import Bound
from stages.evaluate.scores import Bootstrap
from stages.evaluate.verdicts import FEW, MEASURES, Measure, Verdict
from stages.evaluate.wording import level, listed


def conclusions(found: Mapping[str, Verdict], opinions: Sequence[str], bounds: Sequence[Bound], settings: Bootstrap) -> str:
    """Both paragraphs; `opinions` are sentences in HTML on what people and a judge prefer, or empty."""
    return (
        f'<p class="lede">{" ".join(filter(None, [in_words(found), *opinions]))}</p>'
        f"<p>Better and worse mean that the {level(settings)} interval of the difference leaves out “no difference”; n is the number of chats, prompts, conversations, "
        f"questions or answers that it is taken over. That a difference is not shown is no proof that there is none.</p>{_gate(bounds)}"
    )


def in_words(found: Mapping[str, Verdict]) -> str:
    """The verdict in a few sentences: "Tuned beats prompted on voice (n = 96). No difference is shown in ..."."""
    told = []
    for arm in ("prompted", "base"):
        states = {state: [_named(measure, found) for measure in _in(found, arm, state)] for state in ("better", "worse", "open", "few")}
        if not any(states.values()):
            continue
        if states["better"]:
            told.append(f"Tuned beats {arm} on {listed(states['better'])}.")
        if states["worse"]:
            told.append(f"{'It' if states['better'] else 'Tuned'} does worse than {arm} on {listed(states['worse'])}.")
        if states["open"]:
            told.append(f"No difference from {arm} is shown in {listed(states['open'])}.")
        if states["few"]:
            told.append(f"Too few to tell it from {arm}, fewer than {FEW}: {listed(states['few'])}.")
    return " ".join(told)


def _in(found: Mapping[str, Verdict], arm: str, state: str) -> list[Measure]:
    return [measure for measure in MEASURES if measure.against == arm and measure.difference in found and found[measure.difference].state == state]


def _named(measure: Measure, found: Mapping[str, Verdict]) -> str:
    return f"{measure.words} (n\u00a0=\u00a0{number(found[measure.difference].count)})"


def _gate(bounds: Sequence[Bound]) -> str:
    if not bounds:
        return '<p class="gate">The gate has no bounds (evaluate.gate): any model passes it.</p>'
    failed = [bound for bound in bounds if not bound.passed]
    if failed:
        told = f"<b>The gate is closed:</b> {len(failed)} of {counted(len(bounds), 'bound')} {'is' if len(failed) == 1 else 'are'} not kept. This model is not published or served unless that is forced."
    else:
        told = f"<b>The gate is open:</b> {'the one bound is' if len(bounds) == 1 else f'all {len(bounds)} bounds are'} kept."
    rows = "".join(f"<li>{'kept' if bound.passed else '<b>not kept</b>'}: {text(bound.told)}</li>" for bound in sorted(bounds, key=lambda bound: bound.passed))
    return f'<details class="gate"{" open" if failed else ""}><summary>{told}</summary><ul>{rows}</ul></details>'
