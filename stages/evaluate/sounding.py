"""The page's part on how the arms talk: whose voice it is, how various they are, and what they have by heart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stages.common.html_page import counted, percent, text
from stages.evaluate.inputs import ARMS, Conversation
from stages.evaluate.memorisation import LONGEST, Copy
from stages.evaluate.scores import Bootstrap, Scores
from stages.evaluate.tables import by_arm, interval_rows, less_prompted
from stages.evaluate.variety import REPEATED
from stages.evaluate.verdicts import FEW, verdicts
from stages.evaluate.voice import LEAST
from stages.evaluate.wording import arm_name, chance, chip, fine, level, points, signed, span

VARIETY: Mapping[str, tuple[str, Callable[[float], str], Callable[[float], str]]] = {
    "distinct_1": ("different words", percent, points),
    "distinct_2": ("different pairs of words", percent, points),
    "distinct_3": ("different runs of three", percent, points),
    "self_bleu": ("likeness to the other answers", fine, lambda value: signed(value, 2)),
    "repetition_rate": ("answers that go in circles", percent, points),
}


def sounding(scores: Scores, copies: Sequence[tuple[Copy, Conversation]], settings: Bootstrap) -> str:
    """The three sections; `copies` are the answers that hold a run of a training reply."""
    return f"{_voice(scores, settings)}{_variety(scores, settings)}{_by_heart(scores, copies, settings)}"


def _voice(scores: Scores, settings: Bootstrap) -> str:
    head = "<section><h2>Whose voice it is</h2>"
    if "tuned.voice_delta" not in scores:
        return f"{head}<p>Not measured: each arm’s answers and the test chats must have {LEAST} words or more of one character.</p></section>"
    sure = level(settings)
    difference, p = scores["tuned_vs_prompted.voice_delta"], scores["tuned_vs_prompted.voice_p"]
    state = verdicts(scores, settings.confidence)["voice_delta"].state
    told = {
        "few": f"Fewer than {FEW} prompts show nothing.",
        "better": "Chance alone hardly gives that: tuned sounds more like the character than prompted does.",
        "worse": "Chance alone hardly gives that: tuned sounds less like the character than prompted does.",
        "open": "That is no proof that the two differ in voice.",
    }[state]
    arms = (*(("gold",) if "gold.voice_delta" in scores else ()), *ARMS)
    others = (
        f" Other characters’ lines lie at {fine(scores['others.voice_delta'].value)} ({span(scores['others.voice_delta'], fine)})."
        if "others.voice_delta" in scores
        else ""
    )
    own = f" {arm_name('gold')} means the character’s training lines that people wrote, in as few words." if "gold" in arms else ""
    return (
        f"{head}<p>How far the answers lie from the character’s own lines in the test chats, by the use of the commonest words, which nobody chooses on purpose "
        "(Burrows’s Delta, as cosine): 0 is the same voice, 1 is one that has nothing to do with it; lower is better. "
        f"All arms with equally many words. Base is part of what all are measured against: its figure is a landmark and no more.{own}{others}</p>"
        f'<div class="rows">{interval_rows(scores, arms, "voice_delta", None, fine, f"{sure} interval")}</div>'
        f"<p>{chip(state)} Tuned lies {abs(difference.value):.2f} {'nearer' if difference.value < 0 else 'further off'} than prompted ({sure} interval of the difference: "
        f"{span(difference, lambda value: signed(value, 2))}). Did it not matter which of the two gave an answer, tuned would come out as near {_often(p)} ({chance(p)}). {told}</p>"
        f'<p class="soft">n = {counted(scores["voice.prompts"], "evaluation prompt")}, {counted(scores["voice.words"], "word")} of each arm; '
        f"{counted(settings.bootstrap, 'permutation')} of the answers.</p></section>"
    )


def _often(p: float) -> str:
    return "less than once in a thousand times" if p < 0.001 else f"about {counted(round(1000 * p), 'time')} in a thousand"


def _variety(scores: Scores, settings: Bootstrap) -> str:
    rows = {
        label: {
            arm: f'{show(figure.value)} <span class="soft">({span(figure, show)}){less_prompted(scores, arm, metric, change)}</span>'
            for arm in ARMS
            if (figure := scores.get(f"{arm}.{metric}"))
        }
        for metric, (label, show, change) in VARIETY.items()
    }
    rows = {label: cells for label, cells in rows.items() if cells}
    caption = (
        f"Of the answers to the evaluation prompts, with {level(settings)} intervals and, under tuned, the change from prompted. Different words and runs, of all that were said, and likeness (self-BLEU: 1 is "
        f"an answer given twice) are taken with equally many words of each arm. In circles: more than {percent(REPEATED)} of an answer’s words lie in repeated runs of five."
    )
    return f"<section><h2>How various the answers are</h2>{by_arm('measure', rows, caption)}</section>"


def _by_heart(scores: Scores, copies: Sequence[tuple[Copy, Conversation]], settings: Bootstrap) -> str:
    rates = "; ".join(f"{arm_name(arm)} {percent(scores[f'{arm}.copied_rate'].value)} ({span(scores[f'{arm}.copied_rate'], percent)})" for arm in ARMS)
    found = verdicts(scores, settings.confidence)["copied_rate"]
    difference, count, state = found.difference, found.count, found.state
    return (
        f"<section><h2>What was learnt by heart</h2><p>The share of answers that hold a run of more than {LONGEST} words of a training reply: {rates}. "
        "Prompted saw no training chat: what it has in common with them comes from the prompts and the language.</p>"
        f"<p>{chip(state)} Tuned minus prompted: {points(difference.value)} percentage points ({level(settings)} interval: {span(difference, points)}), n = {counted(count, 'answer')}.</p>"
        f"{_longest(copies)}</section>"
    )


def _longest(copies: Sequence[tuple[Copy, Conversation]]) -> str:
    of_tuned = [one for one in copies if one[0].arm == "tuned"]
    if not of_tuned:
        return "<p>No answer of tuned’s holds such a run.</p>"
    copy, asked = max(of_tuned, key=lambda one: one[0].length)
    more = f" and {counted(copy.chats - 1, 'other')}" if copy.chats > 1 else ""
    return (
        f'<figure class="quoted"><figcaption>Tuned’s longest: {counted(copy.length, "word")} in its answer to {text(asked[0].id)}, as they stand in the training chat '
        f'{text(copy.chat)}{more}</figcaption><p class="said" dir="auto">{text(copy.words)}</p></figure>'
    )
