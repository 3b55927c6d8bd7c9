"""The page for people: its figures, nothing from outside, nothing that runs, whatever the chats hold; partly in a real Chromium."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

import pytest

from stages.filter.page import EXAMPLES, TURN, Example, Findings, Step, example, page
from stages.filter.words_used import Overused, lengths, variety
from tests.chats import make_chat, prose
from tests.pages import elements, loads_nothing, opened, runs_nothing, widths, words_of

HOSTILE = "</style></details><script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\"> &amp; \u202e \u2066 \ud800 \x00 '\""
REPLIES = [prose(number, 10 + number) for number in range(30)]


def dropped(rule: str, number: int, found: str | float, *said: str, kind: str = "synthetic") -> Example:
    chat = make_chat(*(said or (f"Question {number}?", prose(number))), kind=kind)
    return example({"id": chat["id"], "rule": rule, "found": found, "expected": 8, "chat": chat})


def findings(**changed: object) -> Findings:
    """Of 1,234 chats that came in 46 were dropped, by three of four rules."""
    told: dict[str, object] = {
        "came": {"gold": 1000, "synthetic": 234},
        "cut": 3,
        "steps": [
            Step("length.short", {"gold": 1, "synthetic": 12}),
            Step("assistant_speech.identity", {"synthetic": 30}),
            Step("wreckage", {}),
            Step("duplicate.near", {"gold": 3}),
        ],
        "examples": [
            *(dropped("length.short", number, 5) for number in range(12)),
            dropped("assistant_speech.identity", 50, "As an AI", "As an AI, do you sleep?", "Sir, as an ai I cannot."),
            dropped("duplicate.near", 60, "sherlock-holmes-gold-000000000000", kind="gold"),
        ],
        "before": lengths(REPLIES),
        "after": lengths(REPLIES[5:]),
        "gold": lengths(REPLIES[20:]),
        "variety": variety(REPLIES + REPLIES[:5], REPLIES),
        "overused": [Overused("delve", 3.21, 0.0, 41.5), Overused("tapestry", 1.5, 0.25, 5.25)],
    }
    return Findings(**{**told, **changed})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def hostile() -> str:
    """The page where every text that can mean harm does."""
    return page(
        findings(
            steps=[Step(HOSTILE, {HOSTILE: 2}), Step("length.short", {"gold": 1})],
            came={"gold": 4, HOSTILE: 4},
            examples=[
                Example(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, (("human", HOSTILE), ("gpt", HOSTILE), ("gpt", "x" * (1 << 20)))),
                dropped("length.short", 1, 2),
            ],
            overused=[Overused(HOSTILE, 1.0, 0.0, 9.0), Overused("x" * (1 << 20), 1.0, 0.0, 9.0)],
        )
    )


def table(html: str, name: str) -> list[list[str]]:
    """The words of a table's cells, row by row."""
    body = html.split(f'<div class="wide {name}')[1].split("</table>")[0]
    return [[words_of(cell) for cell in re.findall(r"<t[hd][ >].*?</t[hd]>", row)] for row in re.findall(r"<tr.*?</tr>", body)]


def test_the_funnel_tells_rules_in_order_with_drops_by_source_and_what_is_left() -> None:
    html = page(findings())
    assert [row[:-1] for row in table(html, "funnel")] == [
        ["rule", "gold", "synthetic", "dropped", "left"],
        ["came in", "1 000", "234", "", "1 234"],
        ["length.short", "1", "12", "13", "1 221"],
        ["assistant_speech.identity", "0", "30", "30", "1 191"],
        ["wreckage", "0", "0", "0", "1 191"],
        ["duplicate.near", "3", "0", "3", "1 188"],
        ["kept", "996", "192", "", "1 188"],
    ]
    assert "1 188 of 1 234 chats kept 46 chats were dropped, 3.7 % of what came in. 3 kept chats were cut at a turn" in words_of(html)


def test_ten_examples_of_a_rule_are_shown_and_the_page_says_of_how_many() -> None:
    html = page(findings())
    assert html.count('<article class="chat">') == EXAMPLES + 1 + 1
    assert "length.short 13 chats dropped, 10 shown" in words_of(html)
    assert "duplicate.near 3 chats dropped, 1 shown" in words_of(html)


def test_what_was_found_is_marked_in_the_characters_turn_and_not_in_the_visitors() -> None:
    assert re.findall(r"<mark>.*?</mark>", page(findings())) == ["<mark>as an ai</mark>"]


def test_what_only_the_visitor_said_is_marked_there() -> None:
    assert re.findall(r"<mark>.*?</mark>", page(findings(examples=[dropped("wreckage", 1, "Pardon?", "Pardon?", "Yes, sir.")]))) == ["<mark>Pardon?</mark>"]


def test_of_a_long_turn_the_part_with_the_mark_is_shown() -> None:
    html = page(findings(examples=[dropped("x", 1, "as an AI", "Why?", f"{'first ' * 900}as an AI {'last ' * 900}")]))
    (said,) = re.findall(r'<p class="said" dir="auto">(.*?)</p>', html)[1:]
    assert "<mark>as an AI</mark>" in said and len(words_of(said)) < TURN + 100
    assert re.fullmatch(r"\[\d \d+ characters\] .*\[\d \d+ characters\]", words_of(said))


def test_of_a_long_chat_the_turns_around_the_mark_are_shown() -> None:
    said = [f"turn {number}" for number in range(40)]
    said[21] = "I am an AI."
    html = page(findings(examples=[dropped("x", 1, "an AI", *said)]))
    assert re.findall(r"turn \d+", words_of(html.split("<article")[1])) == [f"turn {number}" for number in (17, 18, 19, 20, 22, 23, 24)]
    assert "17 turns before" in html and "15 more turns" in html


def test_the_words_and_the_variety_stand_in_tables() -> None:
    told = variety(REPLIES + REPLIES[:5], REPLIES)
    assert told is not None
    html = page(findings())
    assert table(html, "words") == [["word", "here", "gold", "ratio"], ["delve", "3.21", "0.00", "41.5×"], ["tapestry", "1.50", "0.25", "5.25×"]]
    assert [row[:3] for row in table(html, "variety")[1:]] == [
        [f"distinct-{size}", f"{told.before[size - 1]:.3f}", f"{told.after[size - 1]:.3f}"] for size in (1, 2, 3)
    ]


def test_lengths_have_a_histogram_each_and_a_mean() -> None:
    said = words_of(page(findings()))
    for name, replies in (("before", REPLIES), ("after", REPLIES[5:]), ("gold", REPLIES[20:])):
        assert f"{name} mean {sum(len(reply.split()) for reply in replies) / len(replies):.1f} words, n = {len(replies)};" in said


def test_where_nothing_was_dropped_and_nothing_can_be_compared_the_page_says_so() -> None:
    html = page(findings(steps=[], examples=[], gold=None, variety=None, overused=[], cut=0))
    assert "Nothing was dropped." in html and "there is nothing to compare" in html
    assert "1 234 of 1 234 chats kept 0 chats were dropped, none of what came in." in words_of(html)
    assert 'class="histogram gold"' not in html and "distinct-1" not in html
    assert page(findings(came={}, steps=[], examples=[], before=None, after=None, gold=None)).count("<h2>") == 5


def test_equal_findings_give_equal_bytes() -> None:
    assert page(findings()) == page(findings())


def test_the_page_loads_nothing_and_runs_nothing(hostile: str) -> None:
    for html in (page(findings()), hostile):
        loads_nothing(html)
        runs_nothing(html)


def test_every_id_on_the_page_is_there_once_and_every_link_leads_to_one(hostile: str) -> None:
    for html in (page(findings()), hostile):
        found = elements(html)
        ids = [attributes["id"] for _, attributes in found if "id" in attributes]
        assert len(ids) == len(set(ids))
        assert {attributes["href"] for tag, attributes in found if tag == "a"} <= {f"#{name}" for name in ids}


def test_a_word_of_a_megabyte_makes_no_page_of_a_megabyte_and_no_text_turns_the_direction(hostile: str) -> None:
    assert len(hostile) < 60_000
    assert hostile.encode()  # no half of a surrogate pair
    assert not re.search("[\x00\u202a-\u202e\u2066-\u2069]", hostile)


@pytest.mark.browser
def test_hostile_text_is_shown_as_text_by_a_real_browser(hostile: str, tmp_path: Path) -> None:
    dom = opened(hostile, tmp_path)
    assert not {tag for tag, _ in elements(dom)} & {"script", "img"}
    assert dom.count(escape("<script>document.title = 'owned'</script>", quote=False)) >= 6
    assert "<title>Filter: 5 of 8 chats kept</title>" in dom


@pytest.mark.browser
def test_a_script_that_got_into_the_page_would_not_run(tmp_path: Path) -> None:
    attack = "<script>document.title = 'owned'</script><img src=\"data:,\" onerror=\"document.title = 'owned'\"><article"
    dom = opened(page(findings()).replace("<article", attack, 1), tmp_path)
    assert "document.title = 'owned'" in dom
    assert "<title>Filter: " in dom


@pytest.mark.browser
def test_a_link_of_the_funnel_opens_the_chats_of_its_rule(tmp_path: Path) -> None:
    dom = opened(page(findings()), tmp_path, "#rule-assistant_speech.identity")
    assert re.findall(r"<details[^>]*open[^>]*>.*?<span", dom) == ['<details open=""><summary>assistant_speech.identity<span']


@pytest.mark.browser
def test_nothing_is_wider_than_a_screen_of_400_pixels(hostile: str, tmp_path: Path) -> None:
    for html in (page(findings(came=dict.fromkeys(("gold", "log", "import", "book", "synthetic"), 1_000_000))), hostile):
        html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html).replace("<details>", "<details open>")
        asking = "<script>parent.postMessage([innerWidth, document.documentElement.scrollWidth], '*');</script></body>"
        width, scroll = widths(html.replace("</body>", asking), tmp_path)
        assert width == 400
        assert scroll <= 400
