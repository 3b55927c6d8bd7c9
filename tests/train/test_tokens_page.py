"""The page of one chat's tokens: its figures, what is marked, nothing from outside, nothing that runs, whatever the tokens hold; partly in a real Chromium."""

from __future__ import annotations

import re
import subprocess
from html import escape, unescape
from itertools import pairwise
from pathlib import Path

import pytest

from stages.common.page_style import STYLE
from stages.train.tokens_page import page
from tests.pages import chromium, elements, loads_nothing, opened, runs_nothing, widths, words_of

HOSTILE = "</style></b></mark><script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\"> &amp; \u202e \u2066 \ud800 \x00 '\""


def tokens(turn: int, speaker: str, *words: str) -> list[dict]:
    """A turn in ChatML."""
    gpt = speaker == "gpt"
    role = {"system": "system", "human": "user", "gpt": "assistant"}[speaker]
    parts = [("<|im_start|>", "template"), (role, "template"), ("\n", "template"), *((word, "words") for word in words)]
    parts += [("<|im_end|>", "end" if gpt else "template"), ("\n", "template")]
    return [
        {"text": text, "id": 2 if text == "<|im_end|>" else 100 + place, "turn": turn, "part": part, "trained": gpt and part != "template"}
        for place, (text, part) in enumerate(parts)
    ]


def split_in_two(text: str) -> list[dict]:
    return [{"text": text, "id": 7 + number, "turn": 2, "part": "words", "trained": True, "number": number, "of": 2} for number in (1, 2)]


def found(*said: str, extra: list[dict] | None = None, **changed: object) -> dict:
    """A chat of three turns; the character says the words, and what is extra."""
    spoken = tokens(2, "gpt", *(said or ("Elementary", ",", " I\tthink", ".\n\n", "No")))
    return {
        "chat": "sherlock-holmes-gold-000000000001",
        "file": "data/splits/train.jsonl",
        "line": 1234,
        "splits": {"train": {"chats": 1200, "tokens": 400_000, "trained": 100_000}, "validation": {"chats": 34, "tokens": 1000, "trained": 333}},
        "turns": ["system", "human", "gpt"],
        "tokens": [*tokens(0, "system", "You", " are", " H", "."), *tokens(1, "human", "Who", "?"), *spoken[:-2], *(extra or []), *spoken[-2:]],
        **changed,
    }


@pytest.fixture(scope="module")
def hostile() -> str:
    """The page where every text that can mean harm does."""
    made = tokens(0, "system", HOSTILE) + tokens(1, "human", HOSTILE, "x" * 2000) + tokens(2, "gpt", HOSTILE, "x" * 2000)
    splits = {HOSTILE: {"chats": 1, "tokens": 3, "trained": 1}}
    return page(found(chat=HOSTILE, file=HOSTILE, splits=splits, tokens=made))


def turn(html: str, number: int) -> str:
    return re.findall(r"<article.*?</article>", html, re.DOTALL)[number]


def test_the_page_counts_the_tokens_of_the_chat_and_of_all_chats() -> None:
    said = words_of(page(found()))
    assert "6 of 26 tokens trained" in said
    assert "Each turn ends with <|im_end|> , id 2: trained 1 time in this chat." in said
    assert "Before the first step each of 1 234 chats was held to what serving makes of it" in said
    assert "this chat 1 26 6 23.1 % train 1 200 400 000 100 000 25.0 % validation 34 1 000 333 33.3 %" in said
    assert "system prompt 9 tokens, none trained" in said and "character 10 tokens, 6 trained" in said


def test_what_is_trained_is_marked_and_nothing_else() -> None:
    html = page(found())
    assert [html.count("<mark>"), turn(html, 0).count("<mark>"), turn(html, 1).count("<mark>")] == [2, 0, 0]  # the other is the legend's
    (marked,) = re.findall(r"<mark>(.*?)</mark>", turn(html, 2))
    assert re.findall(r"<bdi>(.*?)</bdi>", marked) == ["Elementary", ",", "<i>·</i>I<i>⇥</i>think", ".<i>↵</i><i>↵</i>", "No", "&lt;|im_end|&gt;"]


def test_every_token_stands_in_the_chat_and_in_the_table() -> None:
    html = page(found())
    assert html.count('<b class="token') == 26 + 3  # three in the legend
    rows = re.findall(r"<tr><td.*?</tr>", html)
    assert [words_of(row) for row in (rows[0], rows[3], rows[-2])] == [
        "1 <|im_start|> 100 system prompt, the template’s no",
        "4 You 103 system prompt no",
        "25 <|im_end|> 2 character, the template’s trained",
    ]
    assert len(rows) == 26


def test_a_character_in_two_tokens_says_which_is_which_and_the_legend_explains_it() -> None:
    html = page(found(extra=split_in_two(" é")))
    assert [f"<bdi><i>·</i>é</bdi><sub>{part}</sub>" in turn(html, 2) for part in ("1/2", "2/2")] == [True, True]
    assert "first of two tokens that make a character together" in words_of(html)
    assert "first of two tokens" not in words_of(page(found()))


def test_what_cannot_be_seen_is_shown_by_its_number() -> None:
    html = page(found("a\u200bb", "\u202e", "\ufeff", "\u00a0"))
    assert re.findall(r"<bdi>(.*?)</bdi>", turn(html, 2))[3:7] == ["a<i>U+200B</i>b", "<i>U+202E</i>", "<i>U+FEFF</i>", "<i>⍽</i>"]


def test_equal_tokens_give_equal_bytes() -> None:
    assert page(found()) == page(found())


def test_the_page_loads_nothing_and_runs_nothing(hostile: str) -> None:
    for html in (page(found()), hostile):
        loads_nothing(html)
        runs_nothing(html)
        ids = [attributes["id"] for _, attributes in elements(html) if "id" in attributes]
        assert {attributes["href"] for tag, attributes in elements(html) if tag == "a"} <= {f"#{name}" for name in ids}
        assert not re.search("[\x00\u202a-\u202e\u2066-\u2069\ud800]", html)


def test_headings_follow_each_other_without_a_gap_and_what_scrolls_can_have_the_focus() -> None:
    html = page(found())
    levels = [int(tag[1]) for tag, _ in elements(html) if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and all(after <= before + 1 for before, after in pairwise(levels))
    assert all(a.get("tabindex") == "0" and a.get("aria-label") for _, a in elements(html) if (a.get("class") or "").startswith("wide"))


def luminance(colour: str) -> float:
    """Of #rrggbb, by WCAG 2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return sum(
        share * (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4) for share, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True)
    )


@pytest.mark.parametrize("theme", [0, 1])
@pytest.mark.parametrize(("ink", "paper"), [("ink", "paper"), ("soft", "paper"), ("mark-ink", "mark")])
def test_words_stand_out_from_what_is_behind_them(theme: int, ink: str, paper: str) -> None:
    one, other = (luminance(re.findall(rf"--{name}: (#[0-9a-f]{{6}})", STYLE)[theme]) for name in (ink, paper))
    assert (max(one, other) + 0.05) / (min(one, other) + 0.05) >= 4.5


@pytest.mark.browser
def test_hostile_text_is_shown_as_text_by_a_real_browser(hostile: str, tmp_path: Path) -> None:
    dom = opened(hostile, tmp_path)
    assert not {tag for tag, _ in elements(dom)} & {"script", "img"}
    assert unescape(re.sub(r"</?(?:i|bdi|b)\b[^>]*>", "", dom)).count("<script>document.title·=·'owned'</script>") == 6  # three tokens, and in the table
    assert dom.count(escape("<script>document.title = 'owned'</script>", quote=False)) == 3
    assert "<title>Tokens: 3 of 20 tokens trained</title>" in dom


@pytest.mark.browser
def test_a_script_that_got_into_the_page_would_not_run(tmp_path: Path) -> None:
    attack = "<script>document.title = 'owned'</script><img src=\"data:,\" onerror=\"document.title = 'owned'\"><article"
    dom = opened(page(found()).replace("<article", attack, 1), tmp_path)
    assert "document.title = 'owned'" in dom and "<title>Tokens: " in dom


@pytest.mark.browser
def test_the_browser_has_nothing_to_complain_about(hostile: str, tmp_path: Path) -> None:
    for html in (page(found()), hostile):
        file = tmp_path / "page.html"
        file.write_text(html, encoding="utf-8")
        switches = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --enable-logging=stderr --v=0 --dump-dom"
        run = subprocess.run(
            [chromium(), *switches.split(), f"--user-data-dir={tmp_path / 'profile'}", file.as_uri()], capture_output=True, text=True, timeout=60
        )
        assert "CONSOLE" not in run.stderr, run.stderr


@pytest.mark.browser
def test_a_trained_token_is_underlined_twice_and_stands_out_in_colour_too(tmp_path: Path) -> None:
    asking = """<script>document.title = ["b.token:not(mark b)", "article mark b"].map((name) => {
const look = getComputedStyle(document.querySelector(name)); return look.borderBottomStyle + look.borderBottomWidth + "/" + look.backgroundColor; }).join(" ")</script></body>"""
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page(found())).replace("</body>", asking)
    plain, marked = re.search(r"<title>(.*?)</title>", opened(html, tmp_path))[1].replace(", ", ",").split(" ")
    assert marked.startswith("double3px/rgb(") and not plain.startswith("double") and marked.split("/")[1] != plain.split("/")[1]


@pytest.mark.browser
def test_nothing_is_wider_than_a_screen_of_400_pixels(hostile: str, tmp_path: Path) -> None:
    for html in (page(found()), hostile):
        html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html).replace("<details>", "<details open>")
        asking = "<script>parent.postMessage([innerWidth, document.documentElement.scrollWidth], '*');</script></body>"
        width, scroll = widths(html.replace("</body>", asking), tmp_path)
        assert width == 400
        assert scroll <= 400
