"""Only a clear yes is consent; the export's own word stands above the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from stages.common.errors import UserError
from stages.curate.consent import given, read

FILE = frozenset({"user-1", "Zoë"})


@pytest.mark.parametrize("said", [True, "yes", " YES\n", "true", {"training": True}, {"training": "Yes", "analytics": False}])
def test_a_clear_yes_in_the_export_is_consent_whatever_the_file_says(said: object) -> None:
    assert given(said, ["unknown"], frozenset()) is True


@pytest.mark.parametrize("said", [False, "no", "No", {"training": False}, {"training": "no"}, {"training": True, "revoked": "2024-01-01"}])
def test_an_explicit_no_in_the_export_wins_over_the_file(said: object) -> None:
    assert given(said, ["user-1"], FILE) is False


@pytest.mark.parametrize("said", [1, 0, "", "y", "maybe", "yes, but", "ja", 1.0, [], [True], ["yes"], {"training": 1}, {"training": {"training": True}}])
def test_anything_unclear_in_the_export_is_a_no(said: object) -> None:
    assert given(said, ["user-1"], FILE) is False


@pytest.mark.parametrize("said", [None, {}, {"analytics": True}, {"training": None}])
def test_where_the_export_does_not_speak_of_training_the_file_decides(said: object) -> None:
    assert given(said, ["chat-9", "user-1"], FILE) is True
    assert given(said, ["chat-9", "user-2"], FILE) is False
    assert given(said, [], FILE) is False
    assert given(said, ["user-1"], frozenset()) is False


def test_an_id_is_the_same_in_both_forms_of_unicode_and_with_space_around_it() -> None:
    assert given(None, [" Zoe\u0308 "], FILE)
    assert not given(None, ["zoë"], FILE)


def test_the_file_has_one_id_a_line_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "consent.txt"
    path.write_bytes("\ufeff# asked in May\r\nuser-1\r\n\r\n  Zoe\u0308  \r\n  # later\r\nuser 7 # not a comment".encode())
    assert read(path) == {"user-1", "Zoë", "user 7 # not a comment"}


def test_a_file_that_is_named_and_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"consent.txt: no such file; the consent file has the ids"):
        read(tmp_path / "consent.txt")


@for_all(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("training"), inner))
)
def test_whatever_stands_in_the_field_the_answer_is_yes_or_no_and_without_a_file_yes_needs_a_yes(said: object) -> None:
    answer = given(said, ["user-1"], frozenset())
    inner = said.get("training") if isinstance(said, dict) else said
    assert answer is (inner is True or isinstance(inner, str) and inner.strip().casefold() in ("yes", "true"))
