"""The page's transcripts: every conversation, turn by turn, with the answers of all arms side by side, and the filters over them."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from stages.common.html_page import counted, marked, text
from stages.evaluate.inputs import ARMS, SETS, Answer, Conversation, Exchange, broke
from stages.evaluate.wording import SET_NAMES, arm_name, spaced


def transcripts(conversations: Sequence[Conversation]) -> str:
    """The whole section. Without its script all conversations stand there, and no filter."""
    return (
        f'<section id="answers"><h2>Every answer, side by side</h2><p>All {counted(len(conversations), "conversation")}; each arm goes on from its own answers. '
        "Highlighted words are what the rules took for a break of character; judge for yourself whether they are right.</p>"
        f"{_filters(conversations)}{''.join(map(_conversation, conversations))}"
        '<p class="none-left soft" hidden>No conversation fits all filters.</p></section>'
    )


def _filters(conversations: Sequence[Conversation]) -> str:
    groups = []
    for name in SETS:
        kinds = [one[0].kind for one in conversations if one[0].set == name]
        options = f'<option value="{name}">{SET_NAMES[name]}, all ({len(kinds)})</option>'
        options += "".join(f'<option value="{text(f"{name}/{kind}")}">{text(kind)} ({kinds.count(kind)})</option>' for kind in sorted(set(kinds)))
        groups.append(f'<optgroup label="{SET_NAMES[name]}">{options}</optgroup>')
    states = {
        "broke": "broke character, any arm",
        **{arm: f"broke character, {arm}" for arm in ARMS},
        **{f"only-{arm}": f"only {arm} broke" for arm in ARMS},
        "whole": "all stayed in character",
        "cut": "cut off, any arm",
    }
    counts = {state: sum(state in _states(one) for one in conversations) for state in states}
    options = "".join(f'<option value="{state}">{label} ({counts[state]})</option>' for state, label in states.items())
    names = {one[0].character: one[0].name for one in conversations}
    spoken = [one[0].character for one in conversations]
    characters = "".join(f'<option value="{text(name)}">{text(names[name])} ({spoken.count(name)})</option>' for name in sorted(names))
    count = len(conversations)
    who = f'<label>Character<select name="characters"><option value="">all ({count})</option>{characters}</select></label>' if len(names) > 1 else ""
    return (
        f'<form class="filters" hidden autocomplete="off">{who}'
        f'<label>Prompts<select name="prompts"><option value="">all ({count})</option>{"".join(groups)}</select></label>'
        f'<label>Answers<select name="answers"><option value="">all ({count})</option>{options}</select></label>'
        '<output name="shown" aria-live="polite"></output></form>'
    )


def _states(conversation: Conversation) -> list[str]:
    broken = [arm for arm in ARMS if broke(conversation, arm)]
    states = [*broken, "broke" if broken else "whole"]
    if len(broken) == 1:
        states.append(f"only-{broken[0]}")
    if any(answer.cut_off for turn in conversation for answer in turn.answers.values()):
        states.append("cut")
    return states


def _conversation(conversation: Conversation) -> str:
    first = conversation[0]
    place = quote(f"{first.set}-{first.id}-{first.character}".encode(errors="replace"), safe="")
    data = (
        f'data-set="{first.set}" data-kind="{text(f"{first.set}/{first.kind}")}" data-character="{text(first.character)}" '
        f'data-state="{" ".join(_states(conversation))}"'
    )
    where = f"{SET_NAMES[first.set].lower()}, {text(first.kind)}, to {text(first.name)}"
    turns = "".join(_turn(turn, len(conversation)) for turn in conversation)
    return f'\n<article class="exchange" id="{place}" {data}><p class="where"><a href="#{quote(place)}">{text(first.id)}</a>, {where}</p>{turns}</article>'


def _turn(turn: Exchange, turns: int) -> str:
    number = f'<p class="soft turn">turn {turn.turn} of {turns}</p>' if turns > 1 else ""
    answers = "".join(_answer(arm, turn.answers[arm]) for arm in ARMS)
    return f'{number}<h3 class="said" dir="auto">{text(turn.prompt)}</h3><div class="arms">{answers}</div>'


def _answer(arm: str, answer: Answer) -> str:
    chips = "".join(f'<span class="chip broke">broke character: {text(spaced(mark.family))}</span>' for mark in answer.marks)
    if answer.cut_off:
        chips += '<span class="chip plain">cut off</span>'
    about = f'<p class="about">{arm_name(arm)}<span class="soft">{counted(answer.words, "word")}</span>{chips}</p>'
    return f'<div class="answer {arm}">{about}{said(answer)}</div>'


def said(answer: Answer) -> str:
    """An answer's words, those that broke character marked."""
    if not answer.text.strip():
        return '<p class="said none">No answer.</p>'
    return f'<p class="said" dir="auto">{marked(answer.text, [(mark.start, mark.end) for mark in answer.marks])}</p>'
