"""reports/evaluation.html in a real Chromium: no word on the console, text that stands out, all by keyboard, and no wider than a phone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import CONTRAST, Browser
from tests.evaluate.sample import as_shipped, evaluate, lay_out

HOSTILE = "</td><script>document.title = 'owned'</script>\u202eAye" + "x" * 2000
SHOWN = "document.querySelectorAll('.exchange:not([hidden])').length"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run of the size as shipped, with three samples and an answer that means harm."""
    files = as_shipped()
    files["data/answers/answers.jsonl"][0]["answer"] = HOSTILE
    for number in (2, 3):
        files["data/answers/samples.jsonl"] += [{**line, "sample": number} for line in files["data/answers/answers.jsonl"]]
    folder = lay_out(tmp_path_factory.mktemp("page"), files)
    run = evaluate(folder)
    assert run.returncode == 0, run.stderr
    return folder / "reports/evaluation.html"


@pytest.fixture
def browser(tmp_path: Path):
    with Browser(tmp_path / "profile", tmp_path) as opened:
        yield opened
        assert opened.errors == []


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
def test_all_text_stands_out_from_what_is_behind_it(browser: Browser, page: Path, dark: bool) -> None:
    browser.screen(1100, 900, dark=dark)
    browser.open(page)
    lowest = browser.run(CONTRAST)
    assert lowest[0] >= 4.5, lowest  # WCAG 2.2, 1.4.3
    assert browser.run("document.title") != "owned"


@pytest.mark.browser
def test_a_keyboard_reaches_the_answers_and_chooses_among_them(browser: Browser, page: Path) -> None:
    browser.screen(1100, 900)
    browser.open(page)
    browser.press("Tab")
    assert browser.run("document.activeElement.className") == "skip"
    browser.press("Enter")
    assert browser.run("location.hash") == "#answers"
    everything = browser.run(SHOWN)
    for _ in range(10):
        browser.press("Tab")
        if browser.run("document.activeElement.tagName") == "SELECT":
            break
    assert browser.run("document.activeElement.name") == "prompts"
    browser.press("ArrowDown")
    assert 0 < browser.run(SHOWN) < everything


@pytest.mark.browser
def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Browser, page: Path) -> None:
    browser.screen(360, 740, phone=True)
    browser.open(page)
    assert browser.run("[innerWidth, document.documentElement.scrollWidth]") == [360, 360]
