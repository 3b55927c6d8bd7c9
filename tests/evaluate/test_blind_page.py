"""The page for raters in a real Chromium: filled in without a mouse, closed in the middle, on a phone, with answers that mean harm."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest

from stages.common.schemas import fault
from stages.evaluate import blind_page, blind_pairs, ratings
from stages.evaluate.rubric import ASPECTS
from tests.browser import CONTRAST, Browser
from tests.evaluate.rated import exchange, page_of
from tests.pages import elements, loads_nothing

SCRIPT = "</script><script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\"> &lt;b&gt; \\u003c"
HOSTILE = {
    "base": "I say nothing.",
    "prompted": f"{SCRIPT} </textarea><script>document.title = 'owned'</script> \u202eright to left\u2067 \u05d0\u05d1\u05d2 \u0000\u2028",
    "tuned": f"{'The mud upon his boots. ' * 2100}</div></section>",
}
EXCHANGES = [exchange(0, **HOSTILE), exchange(1), exchange(2, tuned="")]
ITEMS, SHOWN, KEY = page_of(EXCHANGES)
HTML = blind_page.render(SHOWN)
COUNT = len(ITEMS)
SHOWS = "(() => document.getElementById('{}').textContent)()"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "ab.html"
    path.write_text(HTML, encoding="utf-8")
    return path


@pytest.fixture
def browser(tmp_path: Path):
    with Browser(tmp_path / "profile", tmp_path) as opened:
        yield opened
        assert opened.errors == []


def shows(browser: Browser, name: str) -> str:
    return browser.run(SHOWS.format(name))


def scored(place: int) -> list[int]:
    """The ten scores that the tests give to the item at this place, in the order in which the page asks for them."""
    return [(place + number) % 5 + 1 for number in range(10)]


def begin(browser: Browser) -> None:
    browser.press(*"JW", "Enter")
    browser.until("!document.getElementById('rate').hidden")


def rate(browser: Browser, place: int, choice: str) -> None:
    assert shows(browser, "where") == f"Pair {place + 1} of {COUNT}"
    browser.press(*map(str, scored(place)), choice, "Enter")


def test_the_page_is_one_file_that_loads_nothing_and_runs_its_own_script_alone() -> None:
    loads_nothing(HTML)
    (policy,) = [a["content"] for tag, a in elements(HTML) if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    (script,) = re.findall(r"<script>(.*?)</script>", HTML, re.DOTALL)
    assert f"script-src 'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy
    assert [a for tag, a in elements(HTML) if tag == "script"] == [{"type": "application/json", "id": "page"}, {}]
    ids = [a["id"] for _, a in elements(HTML) if "id" in a]
    assert len(ids) == len(set(ids))


@pytest.mark.browser
def test_a_full_rating_by_keyboard_alone_with_the_page_closed_in_the_middle_ends_in_the_file_of_what_was_typed(page: Path, tmp_path: Path) -> None:
    choices, half = ["a", "b", "t", "x", "a", "b"][:COUNT], COUNT // 2
    with Browser(tmp_path / "profile", tmp_path) as browser:
        browser.open(page)
        begin(browser)
        for place in range(half - 1):
            rate(browser, place, choices[place])
        browser.reload()
        rate(browser, half - 1, choices[half - 1])
        browser.press(*map(str, scored(half)[:4]))  # four scores of the next one, and the browser is closed
        assert browser.errors == []
    with Browser(tmp_path / "profile", tmp_path) as browser:
        browser.open(page)
        assert shows(browser, "where") == f"Pair {half + 1} of {COUNT}"
        assert browser.run("document.getElementById('done').value") == half
        browser.press(*map(str, scored(half)[4:]), choices[half].upper(), "Enter")
        for place in range(half + 1, COUNT):
            rate(browser, place, choices[place])
        browser.until("!document.getElementById('end').hidden")
        assert shows(browser, "finished") == f"All {COUNT} pairs are rated."
        browser.press("Tab")
        assert browser.run("document.activeElement.id") == "save"
        browser.press("Enter")
        name = browser.run("document.getElementById('save').download")
        browser.until("true")
        written = tmp_path / name
        browser_wait(browser, written)
        typed = browser.run("document.getElementById('ratings').value")
        assert browser.errors == []
    assert written.read_text(encoding="utf-8") == typed
    rating = json.loads(typed)
    assert fault("rating", rating) is None
    assert (rating["rater"], rating["answers"], rating["page"]) == ("JW", SHOWN["answers"], SHOWN["page"])
    for place, (one, item) in enumerate(zip(rating["ratings"], SHOWN["items"], strict=True)):
        given = scored(place)
        assert one["preferred"] == {"a": "a", "b": "b", "t": "tie", "x": "both_bad"}[choices[place]]
        for number, side in enumerate("ab"):
            assert one[side] == {"id": item[side]["id"], **{aspect: given[2 * row + number] for row, aspect in enumerate(ASPECTS)}}
    votes = ratings.votes(rating, blind_pairs.places(EXCHANGES, blind_pairs.salt_of(b"answers.jsonl")), name)
    assert len(votes) == 3


def browser_wait(browser: Browser, path: Path) -> None:
    """Until a download is there, whole."""
    for _ in range(500):
        if path.exists() and path.stat().st_size and not list(path.parent.glob("*.crdownload")):
            return
        browser.run("new Promise((done) => setTimeout(done, 20))")
    raise AssertionError(f"{path} was not saved: {sorted(one.name for one in path.parent.iterdir())}")


@pytest.mark.browser
def test_sliders_and_choices_work_by_tab_and_arrows_too_and_nothing_goes_on_half_done(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.press("Tab", "Enter")  # without a name
    assert browser.run("document.getElementById('rate').hidden")
    browser.run("document.getElementById('rater').focus()")
    begin(browser)
    browser.press("Enter")
    assert shows(browser, "missing") == "10 of 10 scores are not given yet."
    assert browser.run("document.activeElement.name") == "a-voice"
    browser.press("ArrowRight", "Tab", "End", "Tab", "Space")
    assert browser.run("[...document.querySelectorAll('output')].slice(0, 4).map((one) => one.value)") == ["4", "5", "3", "–"]
    browser.press("2")
    assert browser.run("[...document.querySelectorAll('output')].slice(2, 4).map((one) => one.value)") == ["2", "–"]
    browser.press(*"3333333", "Enter")
    assert shows(browser, "missing") == "Say which answer you prefer."
    browser.press("Space")
    assert browser.run("document.querySelector('input[type=radio]:checked').value") == "a"
    browser.press("ArrowRight", "Enter")
    assert shows(browser, "where") == f"Pair 2 of {COUNT}"
    browser.run("document.getElementById('back').focus()")
    browser.press("Enter")
    assert shows(browser, "where") == f"Pair 1 of {COUNT}"
    assert browser.run("document.querySelector('input[type=radio]:checked').value") == "b"


@pytest.mark.browser
def test_hostile_answers_are_shown_as_the_text_that_they_are(browser: Browser, page: Path) -> None:
    browser.open(page)
    begin(browser)
    seen: set[str] = set()
    for place in range(COUNT):
        for side in "ab":
            text = shows(browser, f"text-{side}")
            assert text == (SHOWN["items"][place][side]["text"].strip() and SHOWN["items"][place][side]["text"] or "(no words)")
            # Marks of direction end with the answer: what stands behind it is not turned round.
            assert browser.run(f"getComputedStyle(document.getElementById('text-{side}')).unicodeBidi") == "isolate"
            if len(text) > 50_000:
                box = browser.run(f"(() => {{ const e = document.getElementById('text-{side}'); return [e.clientHeight <= innerHeight, e.tabIndex]; }})()")
                assert box == [True, 0]  # it scrolls by itself, and the keyboard reaches it
            seen.add(text)
        rate(browser, place, "a")
    assert {HOSTILE["prompted"], HOSTILE["tuned"], "(no words)"} <= seen
    assert browser.run("document.title") == "Which answer is better?"
    assert browser.run("document.scripts.length") == 2 and browser.run("document.images.length") == 0


@pytest.mark.browser
def test_on_a_phone_nothing_is_wider_than_the_screen_and_a_finger_can_do_it_all(browser: Browser, page: Path) -> None:
    browser.screen(360, 740, phone=True)
    browser.open(page)
    fits = "[innerWidth, document.documentElement.scrollWidth]"
    assert browser.run(fits) == [360, 360]
    browser.tap("#rater")
    browser.press(*"MH")
    browser.tap("#start button")
    browser.until("!document.getElementById('rate').hidden")
    assert browser.run(fits) == [360, 360]
    small = (
        "[...document.querySelectorAll('button, .choices span, .slider')].filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 32).length"
    )
    assert browser.run(small) == 0
    names = browser.run("sliders.map((one) => one.name)")
    for name in names:
        browser.tap(f"input[name={name}]")  # the middle, where an untouched slider is already
    browser.until("sliders.every((one) => one.nextElementSibling.value === '3')")
    browser.tap(".choices label:nth-of-type(2) span")
    browser.until("document.querySelector('input[type=radio]:checked')?.value === 'b'")
    browser.tap("#next")
    browser.until(f"document.getElementById('where').textContent === 'Pair 2 of {COUNT}'")
    browser.tap("#stop")
    browser.until("!document.getElementById('end').hidden")
    assert shows(browser, "finished") == f"1 of {COUNT} pairs are rated. You can go on with the others later."
    assert browser.run(fits) == [360, 360]
    rating = json.loads(browser.run("document.getElementById('ratings').value"))
    assert fault("rating", rating) is None and len(rating["ratings"]) == 1 and rating["rater"] == "MH"


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
def test_all_text_stands_out_from_what_is_behind_it(browser: Browser, page: Path, dark: bool) -> None:
    browser.screen(1100, 900, dark=dark)
    browser.open(page)
    lowest = [browser.run(CONTRAST)]
    begin(browser)
    lowest.append(browser.run(CONTRAST))
    browser.press("Enter", *map(str, scored(0)), "b")
    lowest.append(browser.run(CONTRAST))
    browser.press("Enter")
    browser.run("document.getElementById('stop').click()")
    lowest.append(browser.run(CONTRAST))
    assert min(lowest)[0] >= 4.5, lowest  # WCAG 2.2, 1.4.3
    assert browser.run("getComputedStyle(document.body).backgroundColor") == ("rgb(23, 24, 27)" if dark else "rgb(251, 250, 246)")


@pytest.mark.browser
def test_a_browser_that_remembers_nothing_says_so_and_works_all_the_same(browser: Browser, page: Path) -> None:
    browser.call("Page.addScriptToEvaluateOnNewDocument", source="Object.defineProperty(window, 'localStorage', { get() { throw new Error('denied'); } });")
    browser.open(page)
    assert not browser.run("document.getElementById('forgets').hidden")
    begin(browser)
    rate(browser, 0, "a")
    assert shows(browser, "where") == f"Pair 2 of {COUNT}"


@pytest.mark.browser
def test_another_runs_page_begins_anew(browser: Browser, page: Path, tmp_path: Path) -> None:
    browser.open(page)
    begin(browser)
    rate(browser, 0, "a")
    other = tmp_path / "other.html"
    other.write_text(blind_page.render(page_of(EXCHANGES, b"other answers")[1]), encoding="utf-8")
    browser.open(other)
    assert not browser.run("document.getElementById('start').hidden")
