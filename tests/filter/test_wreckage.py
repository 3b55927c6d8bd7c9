"""Broken encoding is found in the scripts it comes in, and good text of any language, with emoji and typographic signs, passes."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.filter.talk import Drop
from stages.filter.wreckage import broken
from tests.chats import make_chat, prose
from tests.filter.languages import PROSE
from tests.filter.rules import drop

GOOD = (
    *PROSE.values(),
    "« Voilà », dit-il, « c’est très près d’ici… » Où êtes-vous allé ? Ça m’a coûté 20 €. CAFÉ » et É…",
    "São Paulo, Ação, MAÇÃ” PÃO… ¡Olé! ¿Qué? ESPAÑA»",
    "Дом, где он вёл «Сёмгу»… Рё СЂ “в”… в“",
    "Öl „Ä“ Übung ‚Ä‘ ‚Änderung‘ √2 ≈ 1.41, 10 °C, 5 £, §4, ½ cup ™ © ®",
    "AT&T; R&D; salt &pepper; a\\b C:\\users\\new",
    "यह हिन्दी है। ज़रा सुनो שלום עליכם “hi” مرحبا بالعالم",
    "👨‍👩‍👧 ✈️ 🇫🇷 👍🏽 it’s — “fine” ‘x’…",
    "One line,\nanother,\r\n\tand a third.",
)


@pytest.mark.parametrize("text", GOOD)
def test_good_text_has_nothing_broken(text: str) -> None:
    assert broken(text) == {}


@pytest.mark.parametrize(
    "text, kind, count",
    [
        ("a \ufffd b", "character", 1),
        ("\x93hi\x94", "character", 2),
        ("a\x00b", "character", 1),
        ("a picture \ue012 here", "character", 1),
        ("half \udcff a byte", "character", 1),
        ("\x1b[31mred\x1b[0m", "character", 9),
        ("donâ€™t", "mojibake", 2),
        ("cafÃ© noir", "mojibake", 2),
        ("5Â\xa0francs", "mojibake", 2),
        ("ðŸ˜€", "mojibake", 2),
        ("ï»¿It was", "mojibake", 3),
        ("don‚Äôt", "mojibake", 3),
        ("caf√©", "mojibake", 2),
        ("РџСЂРёРІРµС‚", "mojibake", 12),
        ("donвЂ™t", "mojibake", 2),
        ("caf├⌐", "mojibake", 2),
        ("salt &amp; pepper &#39;", "entity", 10),
        ("&#x27;tis", "entity", 6),
        ("\\ud83d\\ude00 so", "escape", 12),
        ("don\\u2019t", "escape", 6),
        ("don\\x92 ", "escape", 4),
    ],
)
def test_broken_characters_are_counted_by_kind(text: str, kind: str, count: int) -> None:
    assert broken(text) == {kind: count}


@pytest.mark.parametrize("language", sorted(name for name, text in PROSE.items() if not text.isascii()))
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_prose_of_any_language_that_was_read_as_western_is_found(language: str, encoding: str) -> None:
    assert broken(PROSE[language].encode().decode(encoding, "ignore"))


@given(st.text(st.characters(codec="ascii", exclude_characters="&\\", exclude_categories=["Cc"])))
def test_plain_ascii_is_never_broken(text: str) -> None:
    assert broken(text) == {}


def test_wreckage_in_a_turn_of_either_side_drops_the_chat_with_its_share() -> None:
    assert drop("Is it donâ€™t?", prose(1)) == Drop("wreckage.mojibake", 0.143, 0.0)  # 2 of 14 characters
    assert drop("Question?", prose(1) + " \ufffd") == Drop("wreckage.character", float(f"{1 / (len(prose(1)) + 2):.3g}"), 0.0)
    assert drop("Question?", prose(1) + " \ufffd", max_wreckage=0.1) is None


def test_wreckage_of_the_system_prompt_is_not_the_chats() -> None:
    from stages.filter.rules import judge
    from tests.filter.rules import limits, talk

    chat = make_chat("Question?", prose(1))
    chat["conversations"][0]["value"] = "You are \ufffd."
    assert judge(talk(chat), limits()) is None


@pytest.mark.parametrize("part", ["Ã", "Ð€", "é…", "&a", "&#1", "\\u0", "\x1b[", "\x1b[;;;;;;", "РС", "â", "‚Ä", "a├"])
def test_a_line_of_a_megabyte_takes_linear_time(part: str) -> None:
    line = part * (1_000_000 // len(part))
    start = time.process_time()
    broken(line)
    assert time.process_time() - start < 5  # measured: 0.02 to 0.2 s
