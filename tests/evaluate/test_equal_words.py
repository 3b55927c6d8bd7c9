"""Answers cut to equal lengths."""

from __future__ import annotations

import pytest

from stages.evaluate.equal_words import cut


def test_each_turn_keeps_as_many_words_of_every_arm_as_the_arm_that_said_fewest() -> None:
    said = {"base": [["One two three four.", "Five, six."], [""]], "tuned": [["Seven eight", "Don't you go, sir!"], ["Nine."]]}
    assert cut(said) == {"base": [[["one", "two"], ["five", "six"]], [[]]], "tuned": [[["seven", "eight"], ["don't", "you"]], [[]]]}


@pytest.mark.parametrize("other", [[["One."], ["Two."]], [["One.", "Two."]]])
def test_arms_that_were_asked_different_things_are_refused(other: list[list[str]]) -> None:
    with pytest.raises(ValueError):
        cut({"prompted": [["One."]], "tuned": other})
