"""The tool that says whether to trust a judge: small tables with known answers, through the real command."""

from __future__ import annotations

import json
import subprocess
import sys
from math import nan
from pathlib import Path

import pytest

from stages.evaluate import blind_pairs
from stages.evaluate.blind_pairs import Place
from stages.evaluate.krippendorff import alpha
from stages.evaluate.rubric import ASPECTS
from tests.evaluate.sample import ROOT, evaluate, lay_out, records
from tools.judge_check import agreement, leaderboard
from tools.judge_check.agreement import Rated


def check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.judge_check", *arguments], cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60
    )


def refused(folder: Path, *arguments: str) -> str:
    done = check(folder, *arguments)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


# --- published judgments


def test_the_win_rate_drops_null_counts_a_tie_half_and_has_the_error_of_a_mean(tmp_path: Path) -> None:
    """1, 1/2, 0, 1: mean 0.625, standard deviation 0.4787, error 0.2394; by hand."""
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps([{"preference": value, "output_1": "x"} for value in (2, 1.5, None, 1.0, 2.0)]))
    done = check(tmp_path, "--preferences", str(path))
    assert done.returncode == 0, done.stderr
    assert dict(line.split() for line in done.stdout.splitlines()) == {
        "win_rate": "62.5000",
        "standard_error": "23.9357",
        "n_wins": "2",
        "n_wins_base": "1",
        "n_draws": "1",
        "n_total": "4",
        "dropped": "1",
    }


def test_preferences_between_and_older_ties_and_jsonl_are_read(tmp_path: Path) -> None:
    path = tmp_path / "annotations.jsonl"
    path.write_text('{"preference": 1.25}\n\n{"preference": 0}\n{"preference": NaN}\n{"preference": 1.9}\n')
    found = leaderboard.win_rate(leaderboard.read(path))
    assert found.win_rate == pytest.approx(100 * (0.25 + 0.5 + 0.9) / 3)
    assert (found.wins, found.losses, found.ties, found.dropped) == (1, 1, 1, 1)


def test_one_item_has_no_error_and_none_no_win_rate() -> None:
    assert leaderboard.win_rate([2, None, nan]).standard_error is None
    with pytest.raises(ValueError, match="no preference at all"):
        leaderboard.win_rate([None])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[", "neither a JSON list nor JSONL"),
        ("[1]", "item 1 has no preference"),
        ('[{"preference": 1}, {"score": 1}]', "item 2 has no preference"),
        ('[{"preference": 3}]', "item 1: preference is 3; expected 1 to 2, 0 for a tie, or null"),
        ('[{"preference": "2"}]', 'item 1: preference is "2"'),
        ('[{"preference": true}]', "item 1: preference is true"),
        ('[{"preference": Infinity}]', "item 1: preference is Infinity"),
        ('[{"preference": null}]', "no preference at all"),
        ("[]", "no preference at all"),
    ],
)
def test_a_file_that_holds_no_preferences_is_one_sentence(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "a.json").write_text(content)
    said = refused(tmp_path, "--preferences", "a.json")
    assert "a.json" in said and told in said


# --- a judge beside people


def table(folder: Path, rows: list[tuple[object, ...]], header: str = "item,aspect,human,judge") -> Path:
    path = folder / "scores.csv"
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def test_a_judge_who_says_what_people_say_is_to_be_trusted(tmp_path: Path) -> None:
    done = check(tmp_path, str(table(tmp_path, [(n, "voice", n % 5 + 1, n % 5 + 1) for n in range(30)])))
    assert done.returncode == 0, done.stderr
    assert "voice   30    1.000  1.000 (1.000 to 1.000)" in done.stdout
    assert done.stdout.splitlines()[-1] == (
        "Trust the judge on voice (alpha 1.00) (Krippendorff 2019: alpha from 0.8 on is reliable, from 0.667 on allows tentative conclusions)."
    )


def test_a_judge_who_guesses_is_not(tmp_path: Path) -> None:
    done = check(tmp_path, str(table(tmp_path, [(n, "voice", n % 5 + 1, n // 5 % 5 + 1) for n in range(50)])))
    assert "Do not trust it on voice" in done.stdout


def test_the_figures_are_what_a_hand_counts() -> None:
    """People 1 2 3 4, judge 1 3 2 4: r = 0.8. The confusion has the diagonal 1 and 4, and 2 and 3 exchanged."""
    rated = [Rated(str(n), "voice", (human,), judge) for n, (human, judge) in enumerate([(1, 1), (2, 3), (3, 2), (4, 4)])]
    found = agreement.agreement(rated)
    assert found.pearson == pytest.approx(0.8)
    assert found.alpha.value == pytest.approx(alpha([(1, 1), (2, 3), (3, 2), (4, 4)], "ordinal"))
    assert (found.count, found.shift, found.among_people) == (4, 0, None)
    values, counts = agreement.confusion(rated)
    assert values == [1, 2, 3, 4]
    assert counts.tolist() == [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]


def test_a_judge_who_gives_everybody_four_has_no_correlation_and_no_trust() -> None:
    found = agreement.agreement([Rated(str(n), "voice", (n % 5 + 1,), 4) for n in range(20)])
    assert found.pearson is None and found.shift == pytest.approx(1)
    assert agreement.trust(found) == "no"


def test_several_people_count_as_their_median_and_are_held_against_one_another(tmp_path: Path) -> None:
    rows = [(n, "voice", human, n % 5 + 1) for n in range(20) for human in (n % 5 + 1, n % 5 + 1, 5 - n % 5)]
    done = check(tmp_path, str(table(tmp_path, rows)))
    line = next(line for line in done.stdout.splitlines() if line.startswith("voice"))
    assert line.split()[:3] == ["voice", "20", "1.000"]
    among = alpha([(n % 5 + 1, n % 5 + 1, 5 - n % 5) for n in range(20)], "ordinal")
    assert f"{among:.3f}" in line


def test_the_sentence_tells_the_aspects_apart_and_says_where_there_are_too_few() -> None:
    rated = [Rated(str(n), "voice", (n % 5 + 1,), n % 5 + 1) for n in range(20)]
    rated += [Rated(str(n), "length", (n % 5 + 1,), (n + 2) % 5 + 1) for n in range(20)]
    rated += [Rated(str(n), "coherence", (n % 5 + 1,), n % 5 + 1) for n in range(9)]
    said = agreement.report(rated).splitlines()[-1]
    assert said.startswith("Trust the judge on voice (alpha 1.00); do not trust it on length (alpha ")
    assert "fewer than 10 items show nothing on coherence" in said


def test_between_the_thresholds_a_judge_is_a_hint() -> None:
    """Every second score, and every third, is any; alpha 0.75 and 0.83. With 12 items the second's interval reaches below 0.667."""

    def guessed(one_in: int, count: int) -> agreement.Agreement:
        scores = [(n % 5 + 1, n % 5 + 1 if n % one_in else n // one_in % 5 + 1) for n in range(count)]
        return agreement.agreement([Rated(str(n), "voice", (human,), judge) for n, (human, judge) in enumerate(scores)])

    assert guessed(2, 60).alpha.value == pytest.approx(0.752, abs=1e-3)
    assert [agreement.trust(guessed(2, 60)), agreement.trust(guessed(3, 60))] == ["tentative", "yes"]
    few = guessed(3, 12)
    assert few.alpha.value > 0.8 > 0.667 > few.alpha.lower and agreement.trust(few) == "tentative"


@pytest.mark.parametrize(
    ("rows", "header", "told"),
    [
        ([], "item,human,judge", "scores.csv:1: no column aspect"),
        ([("a", "voice", "good", 3)], "item,aspect,human,judge", "scores.csv:2: human is 'good'; expected a number"),
        ([("a", "voice", 2, "nan")], "item,aspect,human,judge", "scores.csv:2: judge is 'nan'; expected a number"),
        ([("a", "voice", 2, 3), ("a", "voice", 2, 4)], "item,aspect,human,judge", "scores.csv:3: the judge gives a, voice 4, and 3 above"),
        ([("a", "voice", "", 3)], "item,aspect,human,judge", "nothing that both people and the judge rated"),
    ],
)
def test_a_table_that_cannot_be_read_is_one_sentence(tmp_path: Path, rows: list, header: str, told: str) -> None:
    table(tmp_path, rows, header)
    assert told in refused(tmp_path, "scores.csv")


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    assert "nothing.csv: no such file" in refused(tmp_path, "nothing.csv")


# --- imported ratings


def rating(folder: Path, rater: str, shift: int = 0) -> dict:
    """What a rater says of all twelve pairs: prompt n's tuned answer has n % 5 + 1 on every aspect, prompted's always 3."""
    digest, salt = blind_pairs.identified((folder / "data/answers/answers.jsonl").read_bytes())

    def side(n: int, arm: str, score: int) -> dict:
        return {"id": blind_pairs.identity(salt, Place("pair", f"evaluation-{n:03}", "sherlock-holmes", arm))} | dict.fromkeys(ASPECTS, score)

    given = [{"a": side(n, "tuned", (n + shift) % 5 + 1), "b": side(n, "prompted", 3), "preferred": "a"} for n in range(12)]
    return {"format": "dramatis-rating-1", "answers": digest, "page": "0" * 64, "rater": rater, "ratings": given}


def judgments(folder: Path) -> None:
    """A judge who scores as the rater without a shift does."""
    lines = []
    for n in range(12):
        for arm, score in (("tuned", n % 5 + 1), ("prompted", 3), ("base", 1)):
            value = {aspect: {"reason": "So.", "score": score} for aspect in ASPECTS}
            lines.append({"set": "evaluation", "id": f"evaluation-{n:03}", "character": "sherlock-holmes", "arms": [arm], "value": value})
    lines.append({"set": "evaluation", "id": "evaluation-000", "character": "sherlock-holmes", "arms": ["tuned", "prompted"], "fault": "no JSON"})
    (folder / "data/judged").mkdir(exist_ok=True)
    (folder / "data/judged/judgments.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_imported_ratings_are_held_against_the_judgments_of_the_same_answers(tmp_path: Path) -> None:
    folder = lay_out(tmp_path, records())
    assert evaluate(folder).returncode == 0
    key = json.loads((folder / "reports/ab-key.json").read_text())
    own = {side["id"] for given in rating(folder, "JW")["ratings"] for side in (given["a"], given["b"])}
    assert key["answers"] == rating(folder, "JW")["answers"] and own <= {
        item[side]["id"] for item in key["items"] for side in ("a", "b")
    }  # as the page has them
    judgments(folder)
    (folder / "data/ratings").mkdir(exist_ok=True)
    for rater in ("JW", "MH"):
        (folder / f"data/ratings/{rater}.json").write_text(json.dumps(rating(folder, rater)))
    (folder / "data/ratings/old.json").write_text(json.dumps(rating(folder, "IA", 2) | {"answers": "0" * 64}))
    done = check(folder, "data/ratings")
    assert done.returncode == 0, done.stderr
    assert "1 of 3 files in data/ratings rate other answers than data/answers/answers.jsonl holds: left out" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith(tuple(ASPECTS))]
    assert [row[:3] for row in rows] == [[aspect, "24", "1.000"] for aspect in ASPECTS]
    assert done.stdout.splitlines()[-1].startswith("Trust the judge on voice (alpha 1.00), in_character (alpha 1.00)")


def test_ratings_without_a_judge_are_one_sentence_that_says_what_to_do(tmp_path: Path) -> None:
    folder = lay_out(tmp_path, records())
    (folder / "data/ratings").mkdir(exist_ok=True)
    (folder / "data/judged").mkdir()
    (folder / "data/judged/judgments.jsonl").write_text("")
    assert "the judge scored nothing; set evaluate.judge.model in params.yaml" in refused(folder, "data/ratings")
