"""The page's section on chance: the main figures of every sample, where the answers were drawn more than once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import stdev

from stages.common.html_page import counted, percent, text
from stages.evaluate import sampling
from stages.evaluate.scores import Scores
from stages.evaluate.wording import plain, points, signed

SHOWN: dict[str, tuple[str, Callable[[float], str]]] = {
    "tuned.in_character_rate": ("tuned stays in character", percent),
    "tuned_vs_prompted.in_character_rate": ("minus prompted, percentage points", points),
    "tuned.redteam_break_rate": ("tuned breaks under attack", percent),
    "tuned_vs_prompted.redteam_break_rate": ("minus prompted, percentage points", points),
    "tuned.mean_words": ("words in a reply of tuned", plain),
    "tuned_vs_prompted.words_from_gold": ("further from the gold than prompted, words", signed),
    "tuned.voice_delta": ("distance of tuned from the character’s voice", plain),
    "tuned.world_correct_rate": ("facts that tuned knows", percent),
}


def redrawing(samples: Sequence[Scores]) -> str:
    """A table of SHOWN in every sample; nothing where there is one sample."""
    if len(samples) == 1:
        return ""
    found = sampling.values(samples)
    rows = []
    for name, (words, show) in SHOWN.items():
        if name in found:
            drawn, deviation = ", ".join(map(show, found[name])), show(stdev(found[name])).lstrip("+")
            rows.append(f'<tr><th scope="row">{text(words)}</th><td>{drawn}</td><td>{deviation}</td></tr>')
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("", "sample after sample", "standard deviation"))
    return (
        f"<section><h2>How much is chance of the draw</h2><p>Every answer was drawn {counted(len(samples), 'time')}, with the same weights and prompts. Everything else on this page is "
        "of sample 1; its intervals are of other prompts, and do not cover what moves here.</p>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></section>"
    )
