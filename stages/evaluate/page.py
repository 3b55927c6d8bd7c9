"""reports/evaluation.html: one page for people, whole in itself: no clock, no network, and no text of a model that is not escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from stages.common.histograms import bin_axis, histogram
from stages.common.html_page import counted, document, percent, text
from stages.common.page_style import STYLE
from stages.evaluate.breaches import breaches
from stages.evaluate.conclusions import conclusions
from stages.evaluate.conversing import conversing
from stages.evaluate.findings import characters, findings
from stages.evaluate.gate import Bound
from stages.evaluate.inputs import ARMS, Conversation, Exchange, conversations
from stages.evaluate.judged import Opinion
from stages.evaluate.knowing import knowing
from stages.evaluate.memorisation import Copy
from stages.evaluate.next_steps import next_steps
from stages.evaluate.preferences import Preferences
from stages.evaluate.preferring import people_say, preferring
from stages.evaluate.redrawing import redrawing
from stages.evaluate.redteam import Attack
from stages.evaluate.reviewing import judge_says, reviewing
from stages.evaluate.scores import Bootstrap, Scores
from stages.evaluate.series import Length
from stages.evaluate.sounding import sounding
from stages.evaluate.talks import Talk
from stages.evaluate.transcripts import transcripts
from stages.evaluate.verdicts import Verdict, verdicts
from stages.evaluate.wording import arm_name, level, listed, plain, span
from stages.evaluate.world import Row

HERE = Path(__file__).parent


def render(
    scores: Scores,
    each: Mapping[str, Scores],
    names: Mapping[str, str],
    exchanges: Sequence[Exchange],
    lengths: Sequence[Length],
    attack: Attack,
    copies: Sequence[tuple[Copy, Conversation]],
    of_world: Sequence[Row],
    talked: Sequence[Talk],
    preferences: Preferences,
    judged: tuple[str, Opinion] | None,
    bounds: Sequence[Bound],
    training: Mapping[str, float],
    samples: Sequence[Scores],
    settings: Bootstrap,
) -> str:
    """The page as HTML: the figures of all, of `each` character, whose name on the card `names` gives, and what stands behind them.

    `judged` is the judge's name and what it said, `bounds` are the gate's, `training` is metrics/train.json, `samples` are
    the figures of every sample of the answers. Equal arguments give equal bytes.
    """
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    title = listed([names[character] for character in each])
    found, held = verdicts(scores, settings.confidence), conversations(exchanges)
    body = f"""<a class="skip" href="#answers">Skip to the answers</a>
<header>
<p class="kicker">Dramatis, evaluation of a trained adapter</p>
<h1>{text(title)}: base, prompted and tuned</h1>
{conclusions(found, [people_say(preferences, settings), judge_says(scores, judged, settings)], bounds, settings)}
{_arms(scores)}
</header>
<main>
{findings(scores, found, settings)}
{characters(each, names, settings)}
{next_steps(scores, found, training, settings)}
{preferring(preferences, settings)}
{sounding(scores, copies, settings)}
{reviewing(scores, judged, settings)}
{redrawing(samples)}
{_histograms(scores, lengths)}
{knowing(scores, of_world, settings)}
{breaches(attack, held, settings)}
{conversing(scores, talked, settings)}
{transcripts(held)}
{_method(scores, found, settings)}
</main>
<footer><p>Written by the evaluate stage from data/answers, data/splits, data/prompts, data/characters and data/ratings. The same figures are in
metrics/evaluate.json and metrics/gate.json, the series in plots/evaluate.</p></footer>"""
    return document(f"{title}: base, prompted and tuned", STYLE + style, body, script)


def _arms(scores: Scores) -> str:
    return (
        f"<p>{arm_name('base')} is the base model without a system prompt. "
        f"{arm_name('prompted')} is the base model with the character’s system prompt, which is what one has without training. "
        f"{arm_name('tuned')} is the trained model with the same prompt. All answered the same {counted(scores['evaluation.prompts'], 'evaluation prompt')} "
        f"and held the same {counted(scores['redteam.conversations'], 'red-team conversation')}, once each, and all were measured on the same "
        f"{counted(scores['test.chats'], 'test chat')}, which training never saw. "
        f"{arm_name('gold')} means the character’s replies as they stand in those chats.</p>"
    )


def _histograms(scores: Scores, lengths: Sequence[Length]) -> str:
    top = max(row.share for row in lengths)
    parts = []
    for arm, group in groupby(lengths, key=lambda row: row.arm):
        rows = list(group)
        mean = scores[f"{arm}.mean_words"].value
        count = scores["gold.replies"] if arm == "gold" else scores["evaluation.answers"]
        peak = max(rows, key=lambda row: row.share)
        label = f"{arm}: {count} replies, mean {mean:.1f} words; most often, {peak.share:.0%} of them, from {peak.words} words up"
        parts.append(
            f"<figure><figcaption>{arm_name(arm)} mean {mean:.1f} words, n = {count}; the tallest bar is {percent(peak.share)}</figcaption>"
            f"{histogram(arm, [row.words for row in rows], [row.share for row in rows], top, mean, label)}</figure>"
        )
    edges = [row.words for row in lengths if row.arm == lengths[0].arm]
    cut = "; ".join(f"{arm} {percent(scores[f'{arm}.cut_off_rate'].value)} ({span(scores[f'{arm}.cut_off_rate'], percent)})" for arm in ARMS)
    distances = "; ".join(f"{arm} {plain(scores[f'{arm}.length_distance'].value)} ({span(scores[f'{arm}.length_distance'], plain)})" for arm in ARMS)
    total = scores["evaluation.answers"] + scores["redteam.answers"]
    empty = [f"{arm} {percent(scores[f'{arm}.empty_rate'].value)}" for arm in ARMS if scores[f"{arm}.empty_rate"].value > 0]
    silent = f" Answers without a word: {', '.join(empty)}; they count as in character, for the rules look for words." if empty else ""
    return (
        "<section><h2>How long the replies are</h2>"
        "<p>Each bar is the share of replies with that many words, in bins of ten; the dashed line is the mean. All have the same scale.</p>"
        f'<div class="histograms">{"".join(parts)}{bin_axis(edges)}<p class="soft unit">words in a reply</p></div>'
        f"<p>How many words each reply would have to change by, on average, for all lengths to be as the gold’s are (Wasserstein’s distance): {distances}.</p>"
        f"<p>Cut off at the token limit, of all {total} answers of each arm: {cut}. A cut answer is shorter than the model wanted.{silent}</p></section>"
    )


def _method(scores: Scores, found: Mapping[str, Verdict], settings: Bootstrap) -> str:
    sure = level(settings)
    conversations = scores["evaluation.prompts"] + scores["redteam.conversations"]
    terms = {
        "Interval": f"If chats and prompts of this kind were drawn again and again, about {sure} of the intervals made in this way would hold the true "
        f"figure. It covers the choice of {counted(scores['test.chats'], 'chat')} and {counted(conversations, 'conversation')}; "
        "it does not cover another training seed, nor another draw of each answer.",
        "Base": "The base model without any system prompt, as somebody meets it who only downloads it. The templates of many models, SmolLM2’s and Qwen’s among them, "
        "then put in a system prompt of their own (“You are a helpful AI assistant …”): that is what base is told. It was asked in the character’s world "
        "without being told of it, so its rates are where the model begins and no reproach.",
        "Conversations": "An evaluation prompt is a conversation of one turn, a red-team prompt one of several, in which each arm goes on from its own answers. "
        "Rates count conversations: answers of one conversation are no independent trials. Cut off and empty answers are counted one by one, "
        "with intervals as wide as the number of conversations makes them.",
        "How the intervals are made": f"Perplexity and words: {counted(settings.bootstrap, 'resample')} of whole chats or conversations of each character with replacement, "
        f"the same ones for all arms (paired percentile bootstrap, seed {settings.seed}). Rates: Wilson’s score interval. "
        "Differences of rates: Newcombe’s interval for paired proportions (1998, method 10). “At most”: the exact one-sided bound of Clopper and Pearson (1934).",
        "Why two arms’ intervals may overlap though the difference is real": "All arms meet the same chats, so a hard chat is hard for each; "
        "the interval of the difference takes that out, the arms’ own do not.",
        "Many differences": f"Each of the {len(found)} that the verdict names is judged by itself: with nothing changed, one in {round(1 / (1 - settings.confidence))} looks real all the same.",
        "In character": "A list of phrases decides, the same list by which the training data were filtered: assistant phrases (“As an AI …”), "
        "speaking of oneself as fictional, reciting the prompt, markup. An answer without such a phrase can still be dull or wrong, "
        "and an answer with one can be blameless: the words are marked in each answer above.",
        "Words": "Counted by white space. The distance from the gold is taken character by character and averaged over the prompts. The gold replies come from chats of several turns, the answers from a first turn, "
        "so a small difference of length means little.",
    }
    return f"<section><h2>How to read these numbers</h2><dl>{''.join(f'<dt>{term}</dt><dd>{told}</dd>' for term, told in terms.items())}</dl></section>"
