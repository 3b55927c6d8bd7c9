"""A chat in another language goes; English of any age and place, short replies and doubt pass."""

from __future__ import annotations

import subprocess
import sys

import pytest

from stages.common.chats import normal
from stages.common.files import read_jsonl
from stages.filter.language import LEAST, SMALL_WORDS, excerpt, known_by_small_words, language, other_language, unknown_languages
from stages.filter.talk import Drop
from tests.chats import make_chat, prose
from tests.filter.languages import HARD_ENGLISH, PROSE
from tests.filter.rules import drop, limits, talk
from tests.project import ROOT


def judged(*replies: str, languages: tuple[str, ...] | None = ("en",)) -> Drop | None:
    said = [text for number, reply in enumerate(replies) for text in (f"Question {number}?", reply)]
    return language(talk(make_chat(*said)), limits(languages=languages))


@pytest.mark.parametrize("name", sorted(PROSE))
def test_prose_of_another_language_is_dropped_by_its_name(name: str) -> None:
    assert judged(PROSE[name]) == Drop("language", name, "en")
    assert judged(PROSE[name], languages=("en", name)) is None
    assert judged(PROSE[name], languages=None) is None


@pytest.mark.parametrize("name", sorted(HARD_ENGLISH))
def test_english_of_any_age_and_place_passes_also_where_its_small_words_do_not_show_it(name: str) -> None:
    assert judged(HARD_ENGLISH[name]) is None
    assert other_language(HARD_ENGLISH[name][:200], ("en",)) is None


@pytest.mark.parametrize("name", sorted(PROSE))
def test_no_other_language_is_taken_for_english_by_its_small_words(name: str) -> None:
    assert not known_by_small_words([normal(PROSE[name]).split()], "en")


def test_where_another_language_is_wanted_english_goes() -> None:
    english = "You came by the morning train and had no time to eat. The mud upon your sleeve is found in one street of London alone, and I know it well."
    assert judged(english, languages=("fr", "de")) == Drop("language", "en", "fr, de")


def test_replies_are_taken_together_and_one_foreign_sentence_among_english_is_style() -> None:
    english = "You came by the morning train, and there was no time to eat before you were called to the door; this I have from your hat."
    assert judged(english, PROSE["fr"][:60], english) is None
    assert judged(PROSE["fr"], PROSE["fr"][:60]) == Drop("language", "fr", "en")


def test_short_replies_and_words_of_no_language_pass() -> None:
    assert len(PROSE["fr"][:90].encode()) < LEAST and judged(PROSE["fr"][:90]) is None
    assert all(judged(prose(number, 40)) is None for number in range(50))


def test_no_gold_chat_falls() -> None:
    chats = [chat for path in sorted((ROOT / "data/gold").glob("*.jsonl")) for chat in read_jsonl(path)]
    replies = [[turn["value"] for turn in chat["conversations"] if turn["from"] == "gpt"] for chat in chats]
    assert len(replies) > 300
    assert [said for said in replies if judged(*said)] == []
    assert [said for said in replies if other_language(excerpt(said), ("en",))] == []


def test_a_language_that_nobody_knows_is_named() -> None:
    assert unknown_languages(["en", "fr", "xx", "qq"]) == ["qq", "xx"]
    assert unknown_languages(["en", "de", "fr"]) == []


def test_the_rule_is_in_the_stages_list_with_the_parameters_default() -> None:
    assert drop("Question?", PROSE["de"]) == Drop("language", "de", "en")


def test_the_library_is_not_loaded_for_what_is_english_by_its_small_words() -> None:
    assert {"the", "and", "you"} <= SMALL_WORDS["en"]
    code = (
        "import sys\nfrom tests.filter.test_language import judged\n"
        "assert judged('You came by the train and there was not the time to eat, which is what the mud shows, and this you know.') is None\n"
        "assert not any('py3langid' in name for name in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("part", ["a", "the ", "é", "字", "\n"])
def test_a_reply_of_a_megabyte_is_judged_by_its_beginning(part: str) -> None:
    assert len(excerpt([part * 1_000_000])) == 200
    assert len(excerpt([part * 1_000_000] * 90)) == 200
