"""The chat's page in a real Chromium, with a server that streams what the test wishes: keyboard, phone, side by side, edits, consent, files, and text that means harm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stages.common.files import read_jsonl
from tests import cards
from tests.browser import CONTRAST, Browser
from tests.chat.model import Model, echo
from tests.chat.served import PATIENCE, Served, lay_out, serving
from tests.project import Project

pytestmark = pytest.mark.browser
TALKS = "data/gold/sherlock-holmes.talks.jsonl"
SETTLED = "!document.querySelector('.caret')"
OWNED = "<img src=x onerror=\"document.title = 'owned'\"><script>document.title = 'owned'</script>"


@dataclass
class Scene:
    """What all tests of this module share, for each start takes seconds."""

    house: Project
    model: Model
    page: Served
    browser: Browser
    downloads: Path


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("chat")
    house, downloads = lay_out(folder / "project"), folder / "downloads"
    downloads.mkdir()
    house.write("data/characters/irene-adler.png", cards.png(cards.text("chara", cards.encoded(cards.v2(first_mes=f"Good evening, {{{{user}}}}. {OWNED}")))))
    with Model(echo) as model, serving("--compare", "--url", model.url, folder=house.folder, state=folder / "state") as page:
        with Browser(folder / "profile", downloads) as browser:
            yield Scene(house, model, page, browser, downloads)


@pytest.fixture
def model(scene: Scene) -> Model:
    """The server, as new."""
    scene.model.say = echo
    scene.model.requests.clear()
    scene.model.gone.clear()
    return scene.model


@pytest.fixture
def browser(scene: Scene, model: Model) -> Iterator[Browser]:
    """The page, with no talk yet; nothing may have gone wrong in it when the test is over."""
    one = scene.browser
    one.call("Page.navigate", url="about:blank")
    one.screen(1200, 900)
    open_page(one, scene.page)
    one.run("sessionStorage.clear()")
    one.reload()
    yield one
    assert one.errors == []


def open_page(browser: Browser, page: Served) -> None:
    browser.call("Page.navigate", url=page.address)
    browser.until("document.readyState === 'complete' && document.getElementById('name')?.textContent !== ''")


def say(browser: Browser, words: str) -> None:
    """Type into the field that has the focus, and send with Enter."""
    browser.call("Input.insertText", text=words)
    browser.press("Enter")
    browser.until(f"{SETTLED} && document.querySelector('.exchange:last-child .answer .tools, .exchange:last-child .failed') !== null")


def click(browser: Browser, selector: str) -> None:
    browser.run(f"document.querySelector({json.dumps(selector)}).click()")


def shows(browser: Browser, selector: str) -> list[str]:
    return browser.run(f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.textContent)")


def asked(browser: Browser, button: str) -> None:
    """Bring the form of consent up."""
    click(browser, button)
    browser.until("document.getElementById('ask').open")


def agree(browser: Browser, button: str) -> None:
    """Fill in the form of consent with the keyboard alone."""
    asked(browser, button)
    browser.run("document.getElementById('user').value = ''")
    browser.press("Space", "Tab")
    browser.call("Input.insertText", text="A. Reader")
    browser.press("Tab", "Tab", "Enter")
    browser.until("!document.getElementById('ask').open")


def downloaded(scene: Scene, name: str) -> list[dict]:
    for _ in range(500):
        if (scene.downloads / name).exists():
            break
        scene.browser.run("new Promise((done) => setTimeout(done, 20))")
    return read_jsonl(scene.downloads / name)


def test_the_character_greets_and_both_answer_the_same_words_with_the_same_prompt(browser: Browser, model: Model) -> None:
    assert shows(browser, "#name") == ["Sherlock Holmes"] and shows(browser, "#portrait") == ["SH"]
    assert shows(browser, ".greeting .said")[0].startswith("Come in, and take the basket chair")
    say(browser, "Good evening.")
    assert shows(browser, ".answer .said") == ["base heard: Good evening.", "tuned heard: Good evening."]
    say(browser, "And now?")
    first, second, third, fourth = model.requests
    assert first["messages"] == second["messages"] and {first["model"], second["model"]} == {"base", "tuned"}
    assert third["messages"] == fourth["messages"] and third["messages"][2]["content"] == "tuned heard: Good evening."
    assert third["min_p"] == 0.05 and third["temperature"] == 0.7


def test_the_talk_goes_on_with_the_answer_that_is_chosen_and_one_alone_answers_where_that_is_wanted(browser: Browser, model: Model) -> None:
    say(browser, "Good evening.")
    click(browser, "[data-do='go base']")
    assert browser.run("document.querySelector('.answer.taken').dataset.speaker") == "base"
    click(browser, "#compare")
    browser.run("document.getElementById('words').focus()")
    say(browser, "And now?")
    assert len(model.requests) == 3 and model.requests[2]["model"] == "tuned"
    assert model.requests[2]["messages"][2]["content"] == "base heard: Good evening."
    assert shows(browser, ".exchange:last-child .answer .said") == ["tuned heard: And now?"]


def test_what_anybody_says_is_text_whatever_it_looks_like(browser: Browser, model: Model) -> None:
    model.say = lambda body: [OWNED, " &lt;b&gt; [x](javascript:alert(1)) \u202egpj.exe\x1b[2J\n\n</div></article>\x00"]
    say(browser, OWNED)
    for shown in shows(browser, ".answer .said"):
        assert shown == f"{OWNED} &lt;b&gt; [x](javascript:alert(1)) \ufffdgpj.exe\ufffd[2J</div></article>\ufffd"
    assert shows(browser, ".asked .said") == [OWNED]
    browser.run("(() => { const s = document.getElementById('character'); s.value = 'irene-adler'; s.dispatchEvent(new Event('change')); })()")
    assert shows(browser, ".greeting .said") == [f"Good evening, the visitor. {OWNED}"]
    browser.until("document.querySelector('#portrait img').naturalWidth === 1")
    assert browser.run("document.title") == "Irene Adler"
    assert browser.run("document.querySelectorAll('main img, main script').length") == 0


@pytest.mark.parametrize(
    ("said", "html"),
    [
        ("One *two* **three** `four`", "<p>One <em>two</em> <strong>three</strong> <code>four</code></p>"),
        ("**a *b* c**\n\n`*x*` 2 * 3 * 4 ** 5", "<p><strong>a <em>b</em> c</strong></p><p><code>*x*</code> 2 * 3 * 4 ** 5</p>"),
        ("*open `<b>` **never\nclosed", "<p>*open <code>&lt;b&gt;</code> **never\nclosed</p>"),
    ],
)
def test_the_little_markdown_becomes_elements(browser: Browser, model: Model, said: str, html: str) -> None:
    model.say = lambda body: list(said)
    say(browser, "Well?")
    assert browser.run("document.querySelector('[data-speaker=tuned] .said').innerHTML") == html


def test_an_answer_is_seen_as_it_comes_and_escape_stops_it(browser: Browser, model: Model) -> None:
    model.say = lambda body: ["One ", "two", 50.0, "three"]
    click(browser, "#compare")
    browser.run("document.getElementById('words').focus()")
    browser.call("Input.insertText", text="Count.")
    browser.press("Enter")
    browser.until("document.querySelector('.caret')?.textContent === 'One two'")
    assert browser.run("document.getElementById('send').hidden && !document.getElementById('stop').hidden && document.getElementById('save').disabled")
    browser.press("Escape")
    browser.until(SETTLED)
    assert shows(browser, ".answer .said, .answer .note") == ["One two", "stopped"]
    assert model.gone.wait(PATIENCE), "the model still answers nobody"


def test_a_tab_that_is_closed_ends_the_request_to_the_model(browser: Browser, model: Model) -> None:
    model.say = lambda body: ["One ", 50.0, "two"]
    browser.call("Input.insertText", text="Count.")
    browser.press("Enter")
    browser.until("document.querySelector('.caret')?.textContent === 'One '.trim()")
    browser.call("Page.navigate", url="about:blank")
    assert model.gone.wait(PATIENCE), "the model still answers nobody"


def test_a_failure_is_one_sentence_beside_what_went_well_and_can_be_tried_again(browser: Browser, model: Model) -> None:
    model.say = lambda body: [{"status": 503, "message": "busy"}] if body["model"] == "base" else ["Well."]
    say(browser, "Well?")
    assert shows(browser, ".failed") == [f"{model.url} answered with status 503: busy"]
    model.say = echo
    click(browser, "[data-do='again base']")
    browser.until(f"{SETTLED} && !document.querySelector('.failed')")
    assert shows(browser, ".answer .said") == ["base heard: Well?", "Well."]
    assert browser.run("document.querySelector('.answer.taken').dataset.speaker") == "tuned"


def test_a_chat_that_has_ended_is_told_in_one_sentence(browser: Browser, scene: Scene) -> None:
    with serving("--compare", "--url", scene.model.url, folder=scene.house.folder) as page:
        open_page(browser, page)
    say(browser, "Well?")
    assert set(shows(browser, ".failed")) == {"the chat has ended: start it again"}
    assert all("ERR_CONNECTION_REFUSED" in one for one in browser.errors) and browser.errors
    browser.errors.clear()


def test_answers_are_tried_again_edited_liked_and_exported_as_pairs_and_chats(browser: Browser, model: Model, scene: Scene) -> None:
    numbers = iter(range(1, 100))
    model.say = lambda body: [f"Answer {next(numbers)} of {body['model']}."]
    click(browser, "#compare")
    browser.run("document.getElementById('words').focus()")
    say(browser, "Well?")
    click(browser, "[data-do='again tuned']")
    browser.until(f"{SETTLED} && document.body.textContent.includes('2 of 2')")
    click(browser, "[data-do='up 1']")
    click(browser, "[data-do='earlier tuned']")
    assert shows(browser, ".answer .said") == ["Answer 1 of tuned."]
    click(browser, "[data-do='down 0']")
    click(browser, "[data-do='later tuned']")
    assert browser.run("document.querySelector('[data-do=\"up 1\"]').ariaPressed") == "true"
    click(browser, "[data-do='edit 1']")
    browser.press("End")
    browser.run("document.getElementById('edit').select()")
    browser.call("Input.insertText", text="My own words.")
    click(browser, "[data-do=done]")
    assert shows(browser, ".answer .said, .answer .note") == ["My own words.", "edited"]
    agree(browser, "#pairs")
    found = downloaded(scene, "sherlock-holmes.pairs.jsonl")
    assert [(one["chosen"][0]["content"], one["rejected"][0]["content"]) for one in found] == [
        ("My own words.", "Answer 2 of tuned."),
        ("My own words.", "Answer 1 of tuned."),
    ]
    assert [one["role"] for one in found[0]["prompt"]] == ["system", "user"]
    agree(browser, "#chats")
    (chat,) = downloaded(scene, "sherlock-holmes.chats.jsonl")
    assert [turn["value"] for turn in chat["conversations"][1:]] == ["Well?", "My own words."]


def test_a_talk_is_saved_with_consent_which_is_asked_each_time(browser: Browser, scene: Scene) -> None:
    say(browser, "Good evening.")
    asked(browser, "#save")
    assert browser.run("document.getElementById('agree').disabled")
    browser.press("Tab")
    browser.call("Input.insertText", text="A. Reader")
    assert browser.run("document.getElementById('agree').disabled"), "a name alone is no consent"
    browser.press("Enter")  # in the field, as one does
    assert browser.run("document.getElementById('ask').open") and not (scene.house.folder / TALKS).exists()
    click(browser, "#cancel")
    agree(browser, "#save")
    browser.until(f"document.getElementById('status').textContent.startsWith('Saved: {TALKS}:1.')")
    ((saved),) = scene.house.records(TALKS)
    assert saved["user"] == "A. Reader"
    asked(browser, "#save")
    assert browser.run("document.getElementById('may').checked") is False


def test_nobody_is_asked_for_consent_to_what_cannot_be_kept(browser: Browser, model: Model) -> None:
    def refuses(button: str, sentence: str) -> None:
        click(browser, button)
        browser.until(f"document.getElementById('status').textContent.startsWith({json.dumps(sentence)})")
        assert not browser.run("document.getElementById('ask').open")

    refuses("#save", "nothing was said yet: there is nothing to save")
    refuses("#chats", "nothing was said yet: there is nothing to export")
    model.finish = "length"
    say(browser, "Who was it?")
    refuses("#save", "answer 1 breaks off before its end")
    refuses("#pairs", "no answer was edited")


def test_another_prompt_is_told_to_the_model_and_the_cards_comes_back(browser: Browser, model: Model) -> None:
    browser.run("document.getElementById('prompt').open = true")
    browser.until("document.getElementById('system').value.startsWith('You are Sherlock Holmes')")
    browser.run("document.getElementById('system').value = 'You are a tired {{char}}.'")
    click(browser, "#tell")
    browser.until("document.getElementById('system').value === 'You are a tired Sherlock Holmes.'")
    browser.run("document.getElementById('words').focus()")
    say(browser, "Well?")
    assert model.requests[0]["messages"][0]["content"] == "You are a tired Sherlock Holmes."
    click(browser, "#own")
    browser.until("document.getElementById('system').value.startsWith('You are Sherlock Holmes')")


def test_a_talk_is_there_again_after_a_reload_and_a_new_one_can_be_taken_back(browser: Browser) -> None:
    say(browser, "Good evening.")
    browser.reload()
    assert shows(browser, ".answer .said") == ["base heard: Good evening.", "tuned heard: Good evening."]
    click(browser, "#new")
    assert shows(browser, ".exchange") == []
    click(browser, "#status button")
    assert len(shows(browser, ".exchange")) == 1
    click(browser, "[data-do=take]")
    assert shows(browser, ".exchange") == [] and browser.run("document.getElementById('words').value") == "Good evening."


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_a_phone_and_can_be_read_and_reached(browser: Browser, model: Model, dark: bool) -> None:
    model.say = lambda body: [f"{'W' * 90} ", "and `code` and so on. " * 20]
    say(browser, f"Well? {'M' * 90}")
    for width, phone in ((360, True), (1200, False)):
        browser.screen(width, 740, phone=phone, dark=dark)
        browser.until(f"innerWidth === {width} && document.documentElement.scrollWidth <= innerWidth")
        contrast, words = browser.run(CONTRAST)
        assert contrast >= 4.5, words
        small = browser.run(
            "[...document.querySelectorAll('button, select, summary, .switch')].filter((one) => one.checkVisibility())"
            ".filter((one) => one.getBoundingClientRect().height < 24).map((one) => one.textContent)"
        )
        assert small == [], "WCAG 2.2, 2.5.8: targets of 24 pixels"
    unnamed = browser.run(
        "[...document.querySelectorAll('button, input, select, textarea')].filter((one) => one.checkVisibility())"
        ".filter((one) => !(one.textContent.trim() || one.ariaLabel || one.labels?.length)).map((one) => one.outerHTML)"
    )
    assert unnamed == []


def test_every_control_is_reached_by_the_tab_key_and_has_a_visible_focus(browser: Browser) -> None:
    say(browser, "Good evening.")
    browser.run("document.activeElement.blur()")
    seen = set()
    for _ in range(40):
        browser.press("Tab")
        one = browser.run(
            "(() => { const e = document.activeElement; return [e === document.body ? 'BODY' : e.id || e.dataset.do || e.className || e.tagName, getComputedStyle(e).outlineStyle]; })()"
        )
        if one[0] != "BODY":
            assert one[1] != "none", one
        seen.add(one[0])
    assert seen >= {"character", "compare", "new", "take", "up 0", "down 0", "edit 1", "again tuned", "go base", "words", "send", "save", "chats", "pairs"}
