"""reports/ab.html: the page on which somebody who does not know whose answers they are compares them. One file that works from a mail, on a phone and without a mouse."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from stages.common.html_page import counted, document, text
from stages.common.page_style import STYLE
from stages.evaluate.rubric import ASPECTS, HIGHEST, LOWEST

HERE = Path(__file__).parent
# The arms' colours have the arms' names, and this page says nothing of arms.
LOOK = "".join(line for line in STYLE.splitlines(keepends=True) if "--tuned" not in line)
CHOICES = {"a": ("A is better", "A"), "b": ("B is better", "B"), "tie": ("Equally good", "T"), "both_bad": ("Both bad", "X")}
"""What a rater may prefer, with the key that says it."""


def render(page: Mapping) -> str:
    """The page as HTML; `page` is what blind_pairs.shown gives. Equal arguments give equal bytes."""
    style, script = ((HERE / f"blind_page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    count = counted(len(page["items"]), "pair")
    body = f"""<main>
<noscript><p>This page needs JavaScript. Save the attachment, and open the file in a browser.</p></noscript>
<form id="start" hidden>
<h1>Which answer is better?</h1>
<p class="lede">You will see {count} of answers. Each pair replies to the same words, said to a character from a book. You are not told who wrote which.</p>
<p>Give both answers {LOWEST} (poor) to {HIGHEST} (excellent) for each of five aspects, then say which one you prefer.</p>
<dl>{"".join(f"<dt>{text(label)}</dt><dd>{text(question)}</dd>" for label, question in ASPECTS.values())}</dl>
<p>With a keyboard: the digits {LOWEST} to {HIGHEST} fill in one score after another; {", ".join(f"<kbd>{key}</kbd> {text(label)}" for label, key in CHOICES.values())};
<kbd>Enter</kbd> goes on. Tab and the arrows work too.</p>
<p>You can close the page at any time and open it again in this browser: it remembers where you were. Nothing is sent: at the end you save one file and send it back yourself.</p>
<p id="forgets" hidden><strong>This browser does not let the page remember anything. Do it all at once, or open the file in another browser.</strong></p>
<p class="name"><label for="rater">Your initials, or any name that you will be known by here</label>
<input id="rater" required maxlength="60" autocomplete="off" pattern=".*\\S.*"></p>
<p><button class="main">Begin</button></p>
</form>
<form id="rate" hidden>
<div class="progress"><label for="done" id="where"></label><progress id="done" value="0" max="{len(page["items"])}"></progress></div>
<h1 id="to" tabindex="-1" dir="auto"></h1>
<p id="prompt" class="said" dir="auto"></p>
<div class="answers">{"".join(_answer(side) for side in "ab")}</div>
<div class="aspects">{"".join(_sliders(aspect, label, question) for aspect, (label, question) in ASPECTS.items())}</div>
<fieldset class="choices"><legend>All in all</legend>
{"".join(_choice(value, label, key) for value, (label, key) in CHOICES.items())}
</fieldset>
<p id="missing" role="alert"></p>
<p class="buttons"><button type="button" id="back">Back</button><button class="main" id="next">Next</button></p>
<p class="soft"><button type="button" class="plain" id="stop">Stop here, and save what is done</button></p>
</form>
<section id="end" hidden>
<h1 id="thanks" tabindex="-1">Thank you</h1>
<p id="finished"></p>
<p class="buttons"><a id="save" class="main" href="#end">Save the ratings file</a><button type="button" id="copy">Copy it instead</button></p>
<p>Send the file back to whoever sent you this page. Where it cannot be saved, copy the text below into a mail.</p>
<p id="copied" role="status"></p>
<label for="ratings">The same as text</label>
<textarea id="ratings" readonly rows="6"></textarea>
<p class="soft"><button type="button" class="plain" id="onward">Go back to the pairs</button></p>
</section>
</main>
<script type="application/json" id="page">{_data(page)}</script>"""
    return document("Which answer is better?", LOOK + style, body, script)


def _data(page: Mapping) -> str:
    """JSON in ASCII that no answer can end: the letters that mean something to HTML are escaped."""
    return json.dumps(page).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _answer(side: str) -> str:
    return f'<section class="answer" aria-labelledby="head-{side}"><h2 id="head-{side}">{side.upper()}</h2><div class="said" id="text-{side}" dir="auto"></div></section>'


def _sliders(aspect: str, label: str, question: str) -> str:
    sliders = "".join(
        f'<div class="slider"><span class="side">{side.upper()}</span><input type="range" min="{LOWEST}" max="{HIGHEST}" step="1" name="{side}-{aspect}" '
        f'aria-label="{text(label)} of {side.upper()}"><output></output></div>'
        for side in "ab"
    )
    return f"<fieldset><legend>{text(label)}</legend><p>{text(question)}</p>{sliders}</fieldset>"


def _choice(value: str, label: str, key: str) -> str:
    return f'<label><input type="radio" name="preferred" value="{value}" data-key="{key.lower()}"><span>{text(label)} <kbd>{key}</kbd></span></label>'
