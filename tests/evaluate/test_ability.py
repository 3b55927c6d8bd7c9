"""General ability: what counts as the exact answer, and the rates by hand."""

from __future__ import annotations

import pytest

from stages.evaluate.ability import figures, plain, right


@pytest.mark.parametrize(
    ("answer", "normal"),
    [
        ("Paris", "paris"),
        ("  PARIS.\n", "paris"),
        ("**Paris**", "paris"),
        ("\n\nParis\nIt lies on the Seine.", "paris"),
        ("...\nParis", "paris"),
        ("The dog", "dog"),
        ("a", "a"),
        ("1,000", "1000"),
        ("Ｐａｒｉｓ", "paris"),
        ("thank-you", "thank you"),
        ("3,5", "3 5"),
        ("", ""),
        ("?!", ""),
    ],
)
def test_an_answer_is_its_first_line_without_what_does_not_make_it_another(answer: str, normal: str) -> None:
    assert plain(answer) == normal


def test_only_a_whole_line_that_is_accepted_is_right() -> None:
    assert right("The Dog.", ["dog", "hound"]) and right("Hound", ["dog", "hound"]) and right("1000", ["1,000"])
    assert not right("A dog barks.", ["dog"]) and not right("The capital of France is Paris.", ["Paris"]) and not right("", ["dog"])
    assert not right("Cat\ndog", ["dog"]) and not right("12", ["1", "2"])


def test_the_rates_and_the_paired_difference_of_tuned_and_base() -> None:
    accepted = [["12", "twelve"], ["Paris"], ["cold"], ["dog"]]
    found = figures({"base": ["twelve", "Paris.", "Cold", "cat"], "tuned": ["12", "London", "Brr!", "cat"]}, accepted, 0.95)
    assert found["base.plain_rate"].value == 0.75 and found["tuned.plain_rate"].value == 0.25
    # Wilson's interval of 1 in 4, by hand.
    z2 = 3.841459
    half = z2**0.5 * (0.25 * 0.75 / 4 + z2 / 64) ** 0.5
    assert found["tuned.plain_rate"].lower == pytest.approx((0.25 + z2 / 8 - half) / (1 + z2 / 4), abs=1e-6)
    assert found["tuned_vs_base.plain_rate"].value == -0.5 and found["plain.questions"] == 4
    assert set(found) == {"base.plain_rate", "tuned.plain_rate", "tuned_vs_base.plain_rate", "plain.questions"}


def test_arms_must_answer_every_question_and_without_questions_there_is_no_rate() -> None:
    with pytest.raises(ValueError):
        figures({"base": ["12"], "tuned": ["12", "13"]}, [["12"], ["13"]], 0.95)
    assert figures({"base": [], "tuned": []}, [], 0.95) == {}
