"""reports/tokens.html: one chat as training sees it, token by token, with the trained ones marked. It needs no script."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from stages.common.html_page import counted, document, number, text
from stages.common.page_style import STYLE

OWN_STYLE = Path(__file__).with_suffix(".css")
WHO = {"system": "system prompt", "human": "visitor", "gpt": "character"}
SIGNS = {" ": "·", "\n": "↵", "\t": "⇥", "\r": "␍", "\u00a0": "⍽"}
# Characters without a look of their own, or that turn the direction of what follows: shown by their number, for a token is looked at to know what it is.
HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]"
)


def page(found: Mapping) -> str:
    """The page as HTML, from tokens.json (stages/weights/token_check.py). Equal tokens give equal bytes."""
    tokens = found["tokens"]
    trained = sum(token["trained"] for token in tokens)
    title = f"{number(trained)} of {counted(len(tokens), 'token')} trained"
    checked = sum(split["chats"] for split in found["splits"].values())
    body = f"""<a class="skip" href="#chat">Skip to the chat</a>
<header>
<p class="kicker">Dramatis, train: one chat as training sees it</p>
<h1>{title}</h1>
<p class="lede">What the character says is trained, and where it ends. {_ends(tokens)}</p>
<p>Before the first step each of {counted(checked, "chat")} was held to what serving makes of it with the tokenizer and the chat template that are kept in
models/adapter: the same tokens, with the character’s words and each end of turn trained, and nothing else. Training does not start where one differs. This is the
training chat of median length, <bdi>{_text(found["chat"])}</bdi>, line {number(found["line"])} of <bdi>{_text(found["file"])}</bdi>.</p>
</header>
<main>
{_counts(found["splits"], tokens)}
<section id="chat"><h2>The chat</h2>
{_legend(tokens)}
{_turns(found["turns"], tokens)}
</section>
{_table(found["turns"], tokens)}
</main>
<footer><p>Written by the train stage.</p></footer>"""
    return document(f"Tokens: {title}", STYLE + OWN_STYLE.read_text(encoding="utf-8"), body)


def _ends(tokens: Sequence[Mapping]) -> str:
    """How often a turn of the character ends here, and by which token."""
    ends = [token for token in tokens if token["part"] == "end"]
    return f"Each turn ends with <code>{_text(ends[0]['text'])}</code>, id {ends[0]['id']}: trained {counted(len(ends), 'time')} in this chat."


def _counts(splits: Mapping[str, Mapping[str, int]], tokens: Sequence[Mapping]) -> str:
    of_chat = {"chats": 1, "tokens": len(tokens), "trained": sum(token["trained"] for token in tokens)}
    rows = "".join(
        f'<tr><th scope="row">{_text(name)}</th><td>{number(row["chats"])}</td><td>{number(row["tokens"])}</td><td>{number(row["trained"])}</td>'
        f"<td>{100 * row['trained'] / row['tokens']:.1f}\u00a0%</td></tr>"
        for name, row in {"this chat": of_chat, **splits}.items()
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("", "chats", "tokens", "trained", "share"))
    return (
        f'<section><h2>How much is trained</h2><div class="wide counts" role="region" tabindex="0" aria-label="counts, a table"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _legend(tokens: Sequence[Mapping]) -> str:
    signs = [f"<span><i>{sign}</i> {name}</span>" for sign, name in (("·", "space"), ("↵", "new line"))]
    if any("of" in token for token in tokens):
        signs.append("<span><sub>1/2</sub> first of two tokens that make a character together</span>")
    return (
        '<p class="legend"><span><mark><b class="token">trained</b></mark> underlined twice</span><span><b class="token">not trained</b></span>'
        f'<span><b class="token template">the template’s own</b></span>{"".join(signs)}</p>'
    )


def _turns(turns: Sequence[str], tokens: Sequence[Mapping]) -> str:
    """Each turn with its tokens, in order; those that are trained stand together in a mark."""
    parts = []
    for turn, members in groupby(tokens, key=lambda token: token["turn"]):
        said = list(members)
        runs = []
        for trained, run in groupby(said, key=lambda token: token["trained"]):
            shown = "".join(map(_token, run))
            runs.append(f"<mark>{shown}</mark>" if trained else shown)
        count = sum(token["trained"] for token in said)
        parts.append(
            f'<article class="turn {turns[turn]}"><h3>{WHO[turns[turn]]}<span class="soft">{counted(len(said), "token")}, '
            f'{f"{number(count)} trained" if count else "none trained"}</span></h3><p class="said" dir="ltr">{"".join(runs)}</p></article>'
        )
    return "\n".join(parts)


def _token(token: Mapping) -> str:
    kind = "token template" if token["part"] in ("template", "end") else "token"
    return f'<b class="{kind}" title="id {token["id"]}">{_visible(token)}</b>' + ("<br>" if token["text"].endswith("\n") else "")


def _table(turns: Sequence[str], tokens: Sequence[Mapping]) -> str:
    rows = "".join(
        f'<tr><td class="number">{place}</td><td class="says">{_visible(token)}</td><td class="number">{token["id"]}</td>'
        f"<td>{WHO[turns[token['turn']]]}{'' if token['part'] == 'words' else ', the template’s'}</td><td>{'trained' if token['trained'] else 'no'}</td></tr>"
        for place, token in enumerate(tokens, start=1)
    )
    heads = "".join(
        f'<th scope="col"{name}>{head}</th>'
        for head, name in zip(("place", "token", "id", "of", "trained"), (" class=number", "", " class=number", "", ""), strict=True)
    )
    return (
        f"<section><h2>Every token</h2><details><summary>The {counted(len(tokens), 'token')} with their ids</summary>"
        f'<div class="wide tokens" role="region" tabindex="0" aria-label="tokens, a table"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div></details></section>'
    )


def _visible(token: Mapping) -> str:
    """What a token says, with signs for what cannot be seen; of a character in several tokens, which of them it is."""
    shown = "".join(f"<i>{SIGNS[part]}</i>" if part in SIGNS else _text(part) for part in re.split(r"([ \n\t\r\u00a0])", token["text"]) if part)
    share = f"<sub>{token['number']}/{token['of']}</sub>" if "of" in token else ""
    return f"<bdi>{shown}</bdi>{share}" if shown else f"<i>empty</i>{share}"


def _text(value: str) -> str:
    """Somebody's text, safe and as it was written."""
    return "".join(f"<i>U+{ord(part):04X}</i>" if HIDDEN.fullmatch(part) else text(part) for part in re.split(f"({HIDDEN.pattern})", value) if part)
