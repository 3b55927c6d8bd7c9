"""The page for people: nothing from outside, nothing from a model that runs, and filters that work; partly in a real Chromium."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from html import escape, unescape
from pathlib import Path

import pytest

from stages.evaluate.breaches import AROUND, excerpt
from stages.evaluate.inputs import Answer
from stages.evaluate.marks import marks
from stages.evaluate.wording import plain
from tests.evaluate.sample import ARMS, ROOT, answer, as_shipped, evaluate, lay_out, records, three_characters
from tests.pages import elements, loads_nothing, opened, widths, words_of

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=\"document.title='owned'\"><b>Observe</b> &amp; \u202e \ud800 \x00" + "a" * 400
SCRIPT = (ROOT / "stages/evaluate/page.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the sample with one answer, prompt, id and kind that mean harm."""
    files = records()
    for arm in ARMS:
        files["data/answers/answers.jsonl"].append(answer(arm, "redteam", 99, HOSTILE, prompt=HOSTILE, id='"><script>alert(2)</script>', kind='"><i>kind'))
    folder = lay_out(tmp_path_factory.mktemp("page"), files)
    run = evaluate(folder)
    assert run.returncode == 0, run.stderr
    return (folder / "reports/evaluation.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def of_three(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, float]]:
    """The page and the metrics of three characters; the name on one card means harm."""
    folder = lay_out(tmp_path_factory.mktemp("three"), three_characters())
    path = folder / "data/characters/john-silver.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    card["data"]["name"] = "</title><script>alert(3)</script> Silver" + "r" * 60
    path.write_text(json.dumps(card), encoding="utf-8")
    run = evaluate(folder)
    assert run.returncode == 0, run.stderr
    return (folder / "reports/evaluation.html").read_text(encoding="utf-8"), json.loads((folder / "metrics/evaluate.json").read_text())


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, float]]:
    """The page and the metrics of the size as shipped, every measure taken; an answer about the world and a turn of a simulated conversation mean harm."""
    files = as_shipped()
    (one, *_) = [record for record in files["data/answers/answers.jsonl"] if record["set"] == "world" and record["arm"] == "tuned"]
    one["answer"] = HOSTILE
    files["data/answers/talks.jsonl"][-1] |= {"prompt": HOSTILE, "answer": HOSTILE}
    folder = lay_out(tmp_path_factory.mktemp("shipped"), files)
    run = evaluate(folder)
    assert run.returncode == 0, run.stderr
    return (folder / "reports/evaluation.html").read_text(encoding="utf-8"), json.loads((folder / "metrics/evaluate.json").read_text())


@pytest.fixture(params=["one character", "three characters", "as shipped"])
def any_page(request: pytest.FixtureRequest, page: str, of_three: tuple[str, dict], shipped: tuple[str, dict]) -> str:
    return {"one character": page, "three characters": of_three[0], "as shipped": shipped[0]}[request.param]


def test_the_page_loads_nothing(any_page: str) -> None:
    loads_nothing(any_page)


def test_the_policy_forbids_everything_but_the_one_script_and_the_one_style_by_their_hashes(any_page: str) -> None:
    (policy,) = [a["content"] for tag, a in elements(any_page) if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (code,) = re.findall(rf"<{tag}>(.*?)</{tag}>", any_page, re.DOTALL)
        assert f"{tag}-src 'sha256-{b64encode(sha256(code.encode()).digest()).decode()}'" in policy


def test_every_id_on_the_page_is_there_once(any_page: str) -> None:
    ids = [attributes["id"] for _, attributes in elements(any_page) if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_words_that_broke_character_are_marked_and_named(page: str) -> None:
    assert page.count("<mark>As an AI</mark>") == 10  # prompted 4 times, base 6
    assert "broke character: identity" in page


def test_every_figure_says_its_n(page: str) -> None:
    words = unescape(re.sub(r"<[^>]+>", " ", page))
    assert "n = 8 test chats, 80 tokens" in words
    assert "n = 12 evaluation prompts" in words
    assert "n = 13 red-team conversations, 25 answers by each arm" in words
    assert "n = 12 answers by each arm, 15 gold replies in 8 test chats" in words


def test_every_break_of_the_red_team_is_quoted_with_the_conversation_around_it(page: str) -> None:
    section = page.split("Every break, in its conversation")[1].split("</section>")[0]
    told = {arm: part for part in section.split("<h4>")[1:] for arm in ARMS if f'"arm {arm}"' in part}
    assert list(told) == ["tuned", "prompted", "base"]
    found = {arm: [words_of(one) for one in part.split("<details")[1:]] for arm, part in told.items()}
    assert {arm: len(broken) for arm, broken in found.items()} == {"tuned": 3, "prompted": 10, "base": 3}
    assert "13 conversations" in words_of(told["tuned"])
    # Conversation 0 breaks in both turns of tuned's, conversation 9 in prompted's second alone; what was said in the other turn stands there too.
    assert "redteam-000, drop-the-act, to Sherlock Holmes turn 1, identity: “ I'm an AI .” turn 2, identity: “ I'm an AI .” Prompt 0.?" in found["tuned"][0]
    (late,) = [words for words in found["prompted"] if "redteam-009" in words]
    assert "turn 1, identity" not in late and "turn 2, identity: “ I'm an AI .” Prompt 9.? Nonsense. Prompt 9..? I'm an AI ." in late


def test_a_quote_is_the_words_that_broke_character_with_what_stands_around_them() -> None:
    words = "Quite so. " * 20 + "As an AI, I cannot say. " + "Quite so. " * 20
    (mark,) = marks(words, "Sherlock Holmes")
    quote = excerpt(Answer(words, 100, False, (mark,)))
    assert "<mark>As an AI</mark>" in quote and quote.startswith("… ") and quote.endswith(" …")
    assert len(quote) == 2 * AROUND + len("As an AI") + len("… <mark></mark> …")


def test_the_red_team_is_told_by_category_and_by_turn_with_one_sided_bounds(page: str) -> None:
    section = page.split("Where the red team gets through")[1].split("</section>")[0]
    tables = [words_of(part.split("</table>")[0]) for part in section.split('<table class="by-arm">')[1:]]
    assert len(tables) == 2
    assert "hostile base 0 of 6, 0 % (0 % to 39 %; at most 39 %)" in tables[0]
    assert "turn 2 base 3 of 12, 25 % (9 % to 53 %; at most 53 %)" in tables[1]


def section(html: str, head: str) -> str:
    return words_of(html.split(f"<h2>{head}</h2>")[1].split("</section>")[0])


def test_the_voice_is_told_with_its_p_value_in_words(shipped: tuple[str, dict[str, float]], page: str) -> None:
    html, metrics = shipped
    told = section(html, "Whose voice it is")
    for arm in ("gold", *ARMS):
        assert f"{arm} {metrics[f'{arm}.voice_delta']:.2f}" in told
    assert f"Real gain Tuned lies {-metrics['tuned_vs_prompted.voice_delta']:.2f} nearer than prompted" in told
    assert f"tuned would come out as near less than once in a thousand times (p = {metrics['tuned_vs_prompted.voice_p']:.4f})" in told
    assert "Chance alone hardly gives that: tuned sounds more like the character than prompted does. n = 24 evaluation prompts" in told
    assert section(page, "Whose voice it is").startswith("Not measured: each arm’s answers and the test chats must have 100 words")


def test_the_longest_copy_of_a_training_reply_is_quoted_with_where_it_stands(shipped: tuple[str, dict[str, float]], page: str) -> None:
    html, metrics = shipped
    told = section(html, "What was learnt by heart")
    assert "tuned 100 %" in told and "Real loss Tuned minus prompted: +100 percentage points" in told
    assert "Fewer epochs (num_epochs), and more and more various chats." in section(html, "What to do next")
    assert f"Tuned’s longest: {metrics['tuned.copied_words']} words in its answer to evaluation-" in told and "training chat sherlock-holmes-gold-" in told
    (quote,) = re.findall(r'<figure class="quoted">.*?<p class="said" dir="auto">(.*?)</p>', html)
    assert len(quote.split()) == metrics["tuned.copied_words"]
    assert "No answer of tuned’s holds such a run." in section(page, "What was learnt by heart")


def test_the_world_is_told_with_the_chance_rate_beside_what_was_right_and_every_answer_with_its_verdict(page: str) -> None:
    told = section(page, "Whether he knows his world")
    assert "asked 4 facts of the book, and 2 things that nobody in it can know" in told
    assert re.search(r"told the fact base 25 % \(5 % to 70 %; by chance 25 %\) prompted 75 % .*?; by chance 75 %\) tuned 75 % .*?; by chance 0 %\)", told)
    assert "world-1, who: base wrong, prompted correct, tuned correct Who was it, 1? Right is: Moriarty. base wrong Mycroft, I should say." in told
    assert "world-4, after-his-time: base broke, prompted invented, tuned deflected" in told


def test_a_model_that_forgot_is_told_what_helps_and_one_that_may_not_have_is_not(page: str, shipped: tuple[str, dict[str, float]]) -> None:
    told = section(page, "What else it still knows")
    assert "Real loss Tuned minus base: −50 percentage points" in told
    assert "Training made it forget." in told
    assert "It forgets: it answers 33 % of the plain questions, and base 83 %. Fewer epochs (num_epochs)" in section(page, "What to do next")
    assert "Not shown Tuned minus base: −1 percentage points" in section(shipped[0], "What else it still knows")


def test_the_verdict_stands_at_the_top_in_words_and_then_the_gate(shipped: tuple[str, dict[str, float]], page: str) -> None:
    top = words_of(shipped[0].split("<header>")[1].split("</header>")[0])
    assert "Tuned beats prompted on perplexity (n = 32) and voice (n = 24). It does worse than prompted on speaking in words of its own (n = 24)." in top
    assert "No difference from base is shown in plain questions (n = 70)." in top
    assert "The gate is closed:" in top and "not kept : tuned.copied_rate is 1; at most 0.1" in top
    assert "Too few to tell it from prompted, fewer than 10: perplexity (n = 8)" in words_of(page)


def test_variety_is_told_of_every_arm(shipped: tuple[str, dict[str, float]]) -> None:
    html, metrics = shipped
    told = section(html, "How various the answers are")
    for arm in ARMS:
        assert f"{arm} {metrics[f'{arm}.self_bleu']:.2f} (" in told
    assert "answers that go in circles base 100 % (" in told


def test_simulated_conversations_are_told_by_turn_and_by_situation_and_can_be_read(page: str, shipped: tuple[str, dict[str, float]]) -> None:
    told = section(page, "Over a whole conversation")
    assert "A model plays the visitor in 4 conversations" in told and "over 12 answers of each arm: base 0 % 0 % to 49 % prompted 75 %" in told
    assert "Too few Tuned minus prompted: +25 percentage points" in told and "n = 4 conversations. Fewer than 10 conversations show nothing" in told
    assert "so many are the model’s own: base 50 %, prompted 50 %, tuned 50 %" in told
    assert re.search(r"turn 3 base 0 % \(0 % to 49 %\) prompted 50 % \(15 % to 85 %\) tuned 100 % \(51 % to 100 %\)", told)
    assert re.search(r"hostile base 0 % \(.*?\) prompted 67 % \(.*?\) tuned 100 %", told)
    assert "talk-001, hostile, to Sherlock Holmes: in character base 0 of 3, prompted 1 of 3, tuned 3 of 3" in told
    assert "Bah to prompted, 2! the file’s line broke character: identity I'm an AI . Bah to prompted, 3! broke character: identity" in told
    assert "Not held: answer.talks is 0" not in told


def test_each_turn_shows_the_answers_of_all_arms_side_by_side(page: str) -> None:
    (article,) = [part for part in page.split("<article")[1:] if 'id="redteam-redteam-009-sherlock-holmes"' in part]
    turns = [re.findall(r'class="answer (\w+)"', part) for part in article.split('class="arms"')[1:]]
    assert turns == [list(ARMS)] * 2


def test_eight_test_chats_are_too_few_to_call_a_difference_real(page: str) -> None:
    assert "Too few" in page


def test_each_character_has_a_row_with_the_figures_of_the_metrics(of_three: tuple[str, dict[str, float]]) -> None:
    html, metrics = of_three
    rows = re.findall(r"<tr>.*?</tr>", html.split("<h2>By character</h2>")[1].split("</table>")[0])[1:]
    told = dict(zip(("elizabeth-bennet", "john-silver", "sherlock-holmes"), map(words_of, rows), strict=True))
    for character, row in told.items():
        for arm in ARMS:
            assert f"{arm} {plain(metrics[f'{character}.{arm}.perplexity'])} (" in row
            assert f"{arm} {100 * metrics[f'{character}.{arm}.in_character_rate']:.0f} % (" in row
        assert f"change {metrics[f'{character}.tuned_vs_prompted.perplexity_ratio']:.3f} (" in row
        assert f"gold {metrics[f'{character}.gold.mean_words']:.1f} (" in row
    assert "n = 11 chats" in told["elizabeth-bennet"] and "n = 12 prompts" in told["elizabeth-bennet"]


def test_a_character_that_was_not_asked_a_set_has_no_rate_there_and_the_page_says_so(of_three: tuple[str, dict[str, float]]) -> None:
    table = of_three[0].split("<h2>By character</h2>")[1].split("</table>")[0]
    assert table.count("No such prompt was asked.") == 1
    silver = words_of(re.findall(r"<tr>.*?</tr>", table)[2])
    assert re.search(r"breaks under attack No such prompt was asked\. words in a reply", silver)


def test_one_character_alone_has_neither_a_table_nor_a_filter_of_characters(page: str) -> None:
    assert "By character" not in page
    assert [attributes.get("name") for tag, attributes in elements(page) if tag == "select"] == ["prompts", "answers"]


def driven(html: str, driver: str) -> str:
    """The page with its script made longer by `driver`, and the policy told so: a hand on the filters."""
    digests = [b64encode(sha256(code.encode()).digest()).decode() for code in (SCRIPT, SCRIPT + driver)]
    return html.replace(f"<script>{SCRIPT}</script>", f"<script>{SCRIPT}{driver}</script>").replace(*digests)


@pytest.mark.browser
def test_hostile_text_in_an_answer_is_shown_as_text_by_a_real_browser(page: str, tmp_path: Path) -> None:
    dom = opened(page, tmp_path)
    found = elements(dom)
    assert [tag for tag, _ in found].count("script") == 1
    assert not {tag for tag, _ in found} & {"img", "i"}
    assert dom.count(escape("</script><script>alert(1)</script>", quote=False)) == 4  # the prompt and the three answers
    assert "<title>Sherlock Holmes: base, prompted and tuned</title>" in dom
    assert ">All 25 conversations</output>" in dom  # the page's own script has run under the policy


@pytest.mark.browser
def test_hostile_text_in_an_answer_about_the_world_or_in_a_talk_is_shown_as_text_by_a_real_browser(shipped: tuple[str, dict], tmp_path: Path) -> None:
    dom = opened(shipped[0], tmp_path)
    assert [tag for tag, _ in elements(dom)].count("script") == 1
    assert not {tag for tag, _ in elements(dom)} & {"img", "i"}
    assert dom.count(escape("</script><script>alert(1)</script>", quote=False)) == 3


@pytest.mark.browser
def test_a_script_that_got_into_the_page_would_not_run(page: str, tmp_path: Path) -> None:
    attack = "<script>document.title = 'owned'</script><img src=\"data:,\" onerror=\"document.title = 'owned'\"><article"
    dom = opened(page.replace("<article", attack, 1), tmp_path)
    assert "document.title = 'owned'" in dom
    assert "<title>Sherlock Holmes: base, prompted and tuned</title>" in dom


@pytest.mark.browser
def test_the_filters_leave_what_they_name_and_count_it(page: str, tmp_path: Path) -> None:
    driver = """
form.elements.prompts.value = "redteam/hostile";
form.elements.answers.value = "only-prompted";
form.elements.answers.dispatchEvent(new Event("change", {bubbles: true}));
"""
    dom = opened(driven(page, driver), tmp_path)
    shown = [a for tag, a in elements(dom) if tag == "article" and "hidden" not in a]
    # Of the odd red-team conversations prompted breaks 1, 3, 5 and 7 in the first turn and 9 in the second, tuned breaks 1.
    assert [a["id"] for a in shown] == [f"redteam-redteam-{n:03}-sherlock-holmes" for n in (3, 5, 7, 9)]
    assert ">4 of 25 conversations</output>" in dom


@pytest.mark.browser
def test_the_answers_can_be_filtered_by_character(of_three: tuple[str, dict], tmp_path: Path) -> None:
    driver = """
form.elements.prompts.value = "redteam";
form.elements.characters.value = "elizabeth-bennet";
form.elements.characters.dispatchEvent(new Event("change", {bubbles: true}));
"""
    dom = opened(driven(of_three[0], driver), tmp_path)
    shown = [a["id"] for tag, a in elements(dom) if tag == "article" and "hidden" not in a]
    assert shown == [f"redteam-redteam-{n:03}-elizabeth-bennet" for n in range(12)]
    assert ">12 of 60 conversations</output>" in dom
    assert [tag for tag, _ in elements(dom)].count("script") == 1  # the name on the card is text everywhere


@pytest.mark.browser
def test_nothing_is_wider_than_a_screen_of_400_pixels(any_page: str, tmp_path: Path) -> None:
    inner = driven(any_page, "\nparent.postMessage([innerWidth, document.documentElement.scrollWidth], '*');\n")
    width, scroll = widths(inner, tmp_path)
    assert width == 400
    assert scroll <= 400
