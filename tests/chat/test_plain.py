"""What a terminal and a page are shown of hostile text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.chat.plain import one_line, plain


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b[2J\x1b[31mred", "\x1b]52;c;b3duZWQ=\x07", "\x1b]8;;http://evil\x1b\\here\x1b]8;;\x1b\\", "\x9b31m", "\x9d52;c;x\x9c", "a\x08b", "\x00", "\x7f",
        "\u202egpj.exe\u202c", "\u2066a\u2069", "a\u2028b", "\ud800", "a\u200fb", "a\U000e0041b",
    ],
)  # fmt: skip
def test_nothing_that_steers_a_terminal_or_turns_the_writing_is_left(hostile: str) -> None:
    shown = plain(hostile)
    assert "\ufffd" in shown and shown.encode()
    assert all(letter.isprintable() for letter in shown)


def test_words_lines_tabs_and_other_scripts_stay_as_they_are() -> None:
    words = "Ä [bold]x[/bold] *y*\n\n\t\u05e9\u05dc\u05d5\u05dd \u4f60\u597d \U0001f575\ufe0f\u200d\u2642\ufe0f"
    assert plain(words) == words
    assert plain("one\r\ntwo") == "one\ntwo"
    assert one_line(" Sherlock\n\x1b[1mHolmes\t") == "Sherlock \ufffd[1mHolmes"


@given(st.text(st.characters(exclude_categories=[]), max_size=40), st.integers(0, 40))
def test_text_that_comes_in_pieces_is_the_same_as_the_whole(text: str, cut: int) -> None:
    assert plain(text[:cut]) + plain(text[cut:]) == plain(text)
