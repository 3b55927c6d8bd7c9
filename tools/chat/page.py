"""The chat's page: its frame, look and script, and the picture of a character's card. Nothing is loaded from elsewhere; what anybody said is only ever set as text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from stages.common import card_files, cards, characters
from stages.common.errors import UserError
from stages.common.html_page import text
from stages.common.page_style import STYLE
from tools import card_pictures
from tools.chat.talk import begin

HERE = Path(__file__).parent
THUMB = "M2 9h3v9H2zM7 18V9l4-7c1.6 0 2.4 1.2 2.1 2.7L12.4 8H17c1.2 0 2 1 1.7 2.2l-1.5 6.2c-.2 1-1 1.6-2 1.6z"

ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="6" fill="#1d1c1a"/>
<path d="M7 8h18v9a9 9 0 0 1-18 0zM12 14h2M18 14h2M12 20q4 3 8 0" fill="none" stroke="#fbfaf6" stroke-width="2" stroke-linecap="round"/></svg>"""
"""A mask, for the tab."""


def style() -> str:
    """The page's style sheet, behind that of all pages."""
    return STYLE + (HERE / "page.css").read_text(encoding="utf-8")


def script() -> str:
    """The page's script."""
    return (HERE / "page.js").read_text(encoding="utf-8")


def card_of(name: str, folder: Path = characters.FOLDER) -> Path:
    """The file of a character's card. Raises UserError where it is gone."""
    for path in (folder / f"{name}{suffix}" for suffix in characters.SUFFIXES):
        if path.exists():
            return path
    raise UserError(f"{folder}: no card of {name}")


def picture(name: str, folder: Path = characters.FOLDER) -> bytes | None:
    """The picture that a character's card came in, as PNG without the card; None for a card without one, or with one that is no whole PNG."""
    try:
        path = card_of(name, folder)
        found = card_files.read(path)
        origin, content = card_pictures.find(path, found.container, cards.checked(found.card, str(path)), None)
        return card_pictures.with_texts(content, {}, path) if origin else None
    except UserError:
        return None


def render(known: Mapping[str, Mapping], character: str, user: str, speakers: Sequence[str], license: str) -> str:
    """The page as HTML, for the characters with cards in `known`; `license` is what the form of consent begins with."""
    people = {}
    for name in known:
        talk = begin(name, known, user)
        people[name] = {"name": talk.name, "greeting": talk.greeting, "picture": picture(name) is not None}
    # In ASCII that no name can end: the letters that mean something to HTML are escaped.
    data = json.dumps({"characters": people, "character": character, "speakers": list(speakers), "thumb": THUMB}).translate(
        {ord(letter): f"\\u{ord(letter):04x}" for letter in "&<>"}
    )
    options = "".join(f'<option value="{text(name)}">{text(one["name"])}</option>' for name, one in people.items())
    compare = '<label class="switch"><input type="checkbox" id="compare"> Base beside tuned</label>' if "base" in speakers else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Chat</title>
<link rel="icon" href="icon.svg">
<link rel="stylesheet" href="page.css">
</head>
<body>
<a class="skip" href="#words">To the message field</a>
<header>
<div id="portrait" aria-hidden="true"></div>
<h1 id="name"></h1>
<div class="options">
<label{' class="only"' if len(people) == 1 else ""}><span class="hidden">Character</span><select id="character">{options}</select></label>
{compare}
<button type="button" id="new">New talk</button>
</div>
</header>
<main>
<noscript><p>This page needs JavaScript.</p></noscript>
<details id="prompt"><summary>What the model is told before the talk</summary>
<label for="system" class="hidden">System prompt</label>
<textarea id="system" rows="6" spellcheck="false" maxlength="20000"></textarea>
<p class="buttons"><button type="button" id="tell">Tell it this instead</button><button type="button" id="own">Back to the card's</button></p>
<p id="whose" class="soft" role="status"></p>
</details>
<div id="talk" role="log" aria-label="The talk"></div>
<p id="compared" class="soft" hidden>Both answer the same words with the same prompt. The talk goes on with the answer that is marked.</p>
</main>
<footer>
<form id="say">
<label for="words" class="hidden">Your message</label>
<textarea id="words" rows="2" maxlength="20000" placeholder="Say something" autocomplete="off"></textarea>
<div class="send"><button class="main" id="send">Send</button><button type="button" id="stop" hidden>Stop</button></div>
</form>
<div class="keep"><span id="status" role="status" class="soft"></span>
<button type="button" class="plain" id="save">Save for training</button><button type="button" class="plain" id="chats">Export chat</button><button type="button" class="plain" id="pairs">Export pairs</button></div>
</footer>
<dialog id="ask" aria-labelledby="what">
<form method="dialog" id="consent">
<h2 id="what"></h2>
<p id="meaning"></p>
<p><label class="switch"><input type="checkbox" id="may"> This talk may be used to train a model</label></p>
<p><label for="user">Who wrote the visitor's part? A name or initials</label><input id="user" maxlength="100" autocomplete="off"></p>
<p><label for="license">Under which licence? An SPDX id</label><input id="license" maxlength="64" autocomplete="off" spellcheck="false" value="{text(license)}"></p>
<p id="refused" role="alert"></p>
<p class="buttons"><button class="main" id="agree" value="yes" disabled></button><button type="button" id="cancel">Cancel</button></p>
</form>
</dialog>
<script type="application/json" id="page">{data}</script>
<script src="page.js" defer></script>
</body>
</html>
"""
