"""The figures of simulated conversations, by hand, and what is said of lines that do not fit together."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.common.errors import UserError
from stages.evaluate.conversing import conversing
from stages.evaluate.inputs import read_talks
from stages.evaluate.intervals import wilson
from stages.evaluate.scores import Bootstrap
from stages.evaluate.series import talks_csv
from stages.evaluate.talks import by_character, by_turn, figures, talks
from tests.evaluate.sample import ARMS, NAMES, lay_out, records, talk

SETTINGS = Bootstrap(5, 2000, 0.95)
LINES = records()["data/answers/talks.jsonl"]
GOOD, BAD = "Begone, sir.", "I'm an AI."


def held(**answers: list[list[str]]) -> list:
    """Conversations with these answers of each arm, number for number."""
    return talks([line for arm in ARMS for n, said in enumerate(answers[arm]) for line in talk(arm, n, *said)], NAMES)


def test_the_figures_of_the_sample_are_what_a_hand_counts() -> None:
    found = figures(talks(LINES, NAMES), SETTINGS)
    assert (found["talk.conversations"], found["talk.answers"]) == (4, 12)
    assert [found[f"{arm}.talk_in_character_rate"].value for arm in ARMS] == [0, 0.75, 1]
    assert [found[f"prompted.talk.turn_{turn}_in_character_rate"] for turn in (1, 2, 3)] == [wilson(count, 4, 0.95) for count in (4, 3, 2)]
    assert found["prompted.talk.curious_in_character_rate"].value == pytest.approx(5 / 6)
    assert found["prompted.talk.hostile_in_character_rate"].value == pytest.approx(4 / 6)
    assert found["tuned_vs_prompted.talk_in_character_rate"].value == 0.25 and found["tuned_vs_base.talk_in_character_rate"].value == 1
    assert found["tuned.talk_visitor_own_rate"] == 0.5


def test_turns_of_one_conversation_are_no_independent_trials() -> None:
    """Two conversations that are broken from end to end and eighteen that are not have an interval as wide as twenty trials make it, not as a hundred and twenty."""
    said = [[BAD] * 6] * 2 + [[GOOD] * 6] * 18
    (rate,) = {figures(held(base=said, prompted=said, tuned=said), SETTINGS)[f"{arm}.talk_in_character_rate"] for arm in ("tuned",)}
    assert rate.value == 0.9 and (rate.lower, rate.upper) == (0.75, 1.0)  # 5 and 0 of 20 drawn
    assert wilson(108, 120, 0.95).lower > 0.83


def test_arms_that_never_break_are_not_called_sure() -> None:
    found = figures(held(base=[[BAD] * 6] * 5, prompted=[[GOOD] * 6] * 5, tuned=[[GOOD] * 6] * 5), SETTINGS)
    assert found["tuned.talk_in_character_rate"] == wilson(5, 5, 0.95) and found["base.talk_in_character_rate"] == wilson(0, 5, 0.95)
    difference = found["tuned_vs_prompted.talk_in_character_rate"]
    assert difference.value == 0 and difference.lower < -0.4 and difference.upper > 0.4
    assert found["tuned_vs_base.talk_in_character_rate"].value == 1 and found["tuned_vs_base.talk_in_character_rate"].lower < 0.6


def test_a_character_without_a_conversation_has_only_the_count_and_no_conversation_at_all_is_told() -> None:
    each = by_character(talks(LINES, NAMES), SETTINGS, ["john-silver", "sherlock-holmes"])
    assert each["john-silver"] == {"talk.conversations": 0} and each["sherlock-holmes"] == figures(talks(LINES, NAMES), SETTINGS)
    assert talks([], NAMES) == [] and figures([], SETTINGS) == {"talk.conversations": 0}
    assert talks_csv(by_turn([], 0.95)) == "turn,arm,rate,lower,upper\n"
    assert "Not held: answer.talks is 0" in conversing(figures([], SETTINGS), [], SETTINGS)


@pytest.mark.parametrize(
    ("number", "change", "sentence"),
    [
        (1, {"turn": 1}, r"talks.jsonl: base answers turn 1 of talk-000 to sherlock-holmes twice; expected one answer each"),
        (
            1,
            {"turn": 4},
            r"talks.jsonl: base has no turn 2 of talk-000 to sherlock-holmes; all arms must hold the same conversations: run the answer stage again",
        ),
        (0, {"prompt": "Ha!"}, r"talks.jsonl: talk-000 to sherlock-holmes is not of one situation with the same first words for all arms"),
        (2, {"kind": "hostile"}, r"talks.jsonl: talk-000 to sherlock-holmes is not of one situation"),
        (0, {"character": "dr-watson"}, r"talks.jsonl: .*"),
    ],
)
def test_lines_that_do_not_fit_together_are_one_sentence(number: int, change: dict, sentence: str) -> None:
    lines = [line | change if place == number else line for place, line in enumerate(LINES)]
    with pytest.raises(UserError, match=sentence):
        talks(lines, NAMES)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"written": "no"}, r"talks\.jsonl:1: written is 'no'; expected one of True, False"),
        ({"set": "talk"}, r"talks\.jsonl:1: found .*; expected an object with exactly arm, id, kind"),
        ({"finish": "eos"}, r"talks\.jsonl:1: finish is 'eos'; expected one of stop, length"),
    ],
)
def test_a_bad_line_is_named_by_file_and_line(tmp_path: Path, change: dict, sentence: str) -> None:
    files = records()
    files["data/answers/talks.jsonl"][0] |= change
    with pytest.raises(UserError, match=sentence):
        read_talks(lay_out(tmp_path, files) / "data/answers/talks.jsonl")
