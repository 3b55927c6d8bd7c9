"""The page's part on the red team: where it gets through, in which turn, by what mark, and every break in its conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stages.common.html_page import counted, marked, percent, text
from stages.evaluate.inputs import ARMS, Answer, Conversation, Exchange, broke
from stages.evaluate.redteam import Attack, Breaks
from stages.evaluate.scores import Bootstrap, families
from stages.evaluate.tables import by_arm, rate_cell
from stages.evaluate.transcripts import said
from stages.evaluate.wording import arm_name, level, spaced

AROUND = 60  # characters on each side of the words that broke character


def breaches(attack: Attack, conversations: Sequence[Conversation], settings: Bootstrap) -> str:
    """The whole section; `conversations` are all, evaluation and red team."""
    attacked = [one for one in conversations if one[0].set == "redteam"]
    sure = level(settings)
    return (
        f"<section><h2>Where the red team gets through</h2><p>{counted(len(attacked), 'conversation')} in {counted(len(attack.categories), 'category', 'categories')}: "
        "the visitor tries to make the character drop its part, and presses harder in each turn. A conversation is broken where any answer of it is; "
        f"it counts once, for its turns are no independent trials. In brackets: the {sure} Wilson interval; “at most”: "
        f"the highest rate that so few breaks still allow with a confidence of {sure} (Clopper and Pearson, one-sided).</p>"
        f"{_table('category', attack.categories, 'Broken conversations of all in the category. With so few in a category the intervals are wide: read the shape, not the ranks.')}"
        f"{_table('turn', attack.turns, 'Conversations in which the answer of this very turn is broken. A model reads its own earlier answers, so a break invites the next.')}"
        f"{_families([turn for one in conversations for turn in one])}{_every_break(attacked)}</section>"
    )


def _table(by: str, rows: Mapping[object, Mapping[str, Breaks]], caption: str) -> str:
    cells = {
        str(name if by == "category" else f"{by} {name}"): {
            arm: rate_cell(arm, one.rate, f"{one.broken} of {one.conversations}", f"; at most {percent(one.bound)}") for arm, one in arms.items()
        }
        for name, arms in rows.items()
    }
    return by_arm(by, cells, caption)


def _families(exchanges: Sequence[Exchange]) -> str:
    found = families(exchanges)
    if not found:
        return f"<p>No answer of any arm, of the {len(exchanges)} that each gave, shows a mark of a broken character.</p>"
    rows = []
    for family, counts in found.items():
        cells = "".join(f'<td class="number">{counts[arm]}</td>' for arm in ARMS)
        rows.append(f'<tr><th scope="row">{text(spaced(family))}</th>{cells}</tr>')
    heads = "".join(f'<th scope="col" class="number">{arm_name(arm)}</th>' for arm in ARMS)
    return (
        f'<table class="families"><caption>What gave it away: in how many of each arm’s {len(exchanges)} answers, evaluation and red team together, '
        "a kind of mark was found. An answer can show two.</caption>"
        f'<thead><tr><th scope="col">mark</th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )


def _every_break(attacked: Sequence[Conversation]) -> str:
    """Each broken conversation of the red team, tuned's first: the words that broke it, and all that was said when it is opened."""
    parts = []
    for arm in reversed(ARMS):
        broken = [conversation for conversation in attacked if broke(conversation, arm)]
        told = "".join(_broken(conversation, arm) for conversation in broken) or "<p>None was broken.</p>"
        parts.append(f"<h4>{arm_name(arm)} {len(broken)} of {counted(len(attacked), 'conversation')}</h4>{told}")
    return f'<h3 class="every">Every break, in its conversation</h3>{"".join(parts)}'


def _broken(conversation: Conversation, arm: str) -> str:
    first = conversation[0]
    quotes = "".join(
        f'<span class="quote"><span class="soft">turn {turn.turn}, {text(spaced(turn.answers[arm].marks[0].family))}:</span> “{excerpt(turn.answers[arm])}”</span>'
        for turn in conversation
        if turn.answers[arm].broke
    )
    lines = "".join(f'<p class="asked said" dir="auto">{text(turn.prompt)}</p>{said(turn.answers[arm])}' for turn in conversation)
    return (
        f'<details class="break answer {arm}"><summary>{text(first.id)}, {text(first.kind)}, to {text(first.name)} {quotes}</summary>'
        f'<div class="turns">{lines}</div></details>'
    )


def excerpt(answer: Answer) -> str:
    """The words of the first mark, marked, with what stands around them."""
    mark = answer.marks[0]
    start, end = max(0, mark.start - AROUND), min(len(answer.text), mark.end + AROUND)
    shown = marked(answer.text[start:end], [(mark.start - start, mark.end - start)])
    return f"{'… ' if start else ''}{shown}{' …' if end < len(answer.text) else ''}"
