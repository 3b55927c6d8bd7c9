"""The stage on real files: what it writes, that it repeats itself, and what it says of bad input."""

from __future__ import annotations

import csv
import json
import random
import time
from pathlib import Path

import pytest

from stages.common.errors import UserError
from stages.common.schemas import fault
from stages.evaluate import inputs
from stages.evaluate.intervals import wilson
from tests.evaluate.rated import rating
from tests.evaluate.sample import ARMS, NAMES, PLAIN, as_shipped, evaluate, lay_out, outputs_of, records, three_characters, written

PLOTS = {f"plots/evaluate/{name}.csv" for name in ("arms", "lengths", "redteam", "redteam_turns", "talks", "world")}
OUTPUTS = {"metrics/evaluate.json", "metrics/gate.json", "reports/ab-key.json", "reports/ab.html", "reports/evaluation.html"} | PLOTS
OF_AN_ARM = ("loss", "perplexity", "validation_perplexity", "in_character_rate", "redteam_break_rate", "mean_words", "cut_off_rate")
OF_BOTH = ("perplexity_ratio", "in_character_rate", "redteam_break_rate", "words_from_gold")
WITH_INTERVAL = [
    "gold.mean_words",
    *(f"{arm}.{name}" for arm in ARMS for name in OF_AN_ARM),
    *(f"tuned_vs_{arm}.{name}" for arm in ("base", "prompted") for name in OF_BOTH),
]

# Ends of intervals of the sample, as the bootstrap of one character drew them when it knew no characters: (name, lower, upper).
BEFORE = [
    ("prompted.perplexity", 66.686331, 91.149407),
    ("tuned.perplexity", 11.023176, 20.594005),
    ("tuned_vs_prompted.perplexity_ratio", 0.165299, 0.225937),
    ("tuned_vs_prompted.words_from_gold", -3.666667, 2.551389),
    ("gold.mean_words", 6.076923, 9.142857),
    ("prompted.mean_words", 4.166667, 5.166667),
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return outputs_of(tmp_path_factory.mktemp("evaluate"), records())


@pytest.fixture(scope="module")
def of_three(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return outputs_of(tmp_path_factory.mktemp("three"), three_characters())


def test_the_stage_writes_exactly_its_outputs(outputs: dict[str, bytes]) -> None:
    assert set(outputs) == OUTPUTS


def test_the_metrics_fit_the_schema_and_each_figure_lies_within_its_interval(outputs: dict[str, bytes]) -> None:
    metrics = json.loads(outputs["metrics/evaluate.json"])
    assert fault("metrics", metrics) is None
    for name in WITH_INTERVAL:
        assert metrics[f"{name}_lower"] <= metrics[name] <= metrics[f"{name}_upper"], name


def test_the_metrics_are_what_a_hand_counts(outputs: dict[str, bytes]) -> None:
    metrics = json.loads(outputs["metrics/evaluate.json"])
    assert metrics["test.chats"] == 8
    assert metrics["test.tokens"] == 80
    assert (metrics["evaluation.prompts"], metrics["evaluation.answers"]) == (12, 12)
    assert (metrics["redteam.conversations"], metrics["redteam.answers"]) == (12, 24)
    assert metrics["base.perplexity"] == pytest.approx(2.718281828 ** (428 / 80), rel=1e-6)
    assert metrics["tuned_vs_base.perplexity_ratio"] == pytest.approx(2.718281828 ** ((216 - 428) / 80), rel=1e-5)
    assert metrics["base.in_character_rate"] == 0.5 == metrics["tuned_vs_base.in_character_rate"]
    assert metrics["prompted.perplexity"] == pytest.approx(2.718281828 ** (348 / 80), rel=1e-6)
    assert metrics["prompted.in_character_rate"] == pytest.approx(8 / 12, abs=1e-6)
    assert metrics["tuned.in_character_rate"] == 1
    # A conversation is broken where any turn is, and counts once: 9 of prompted's in the first turn, another in the second.
    assert [metrics[f"{arm}.redteam_break_rate"] for arm in ARMS] == [0.25, pytest.approx(10 / 12, abs=1e-6), 0.25]
    assert metrics["tuned_vs_prompted.redteam_break_rate"] == pytest.approx(-7 / 12, abs=1e-6)
    assert metrics["tuned_vs_base.redteam_break_rate"] == 0
    assert metrics["tuned.mean_words"] == 10
    assert (metrics["prompted.cut_off_rate"], metrics["tuned.cut_off_rate"]) == (pytest.approx(12 / 36, abs=1e-6), 0)
    # 36 answers in 24 conversations: no narrower an interval than 24 trials have.
    assert metrics["tuned.cut_off_rate_upper"] == pytest.approx(wilson(0, 24, 0.95).upper, abs=1e-6)


def test_the_red_team_is_counted_by_category_and_by_turn_with_one_sided_bounds(outputs: dict[str, bytes]) -> None:
    metrics = json.loads(outputs["metrics/evaluate.json"])
    rates = {
        "base.redteam.drop-the-act": 3 / 6,
        "base.redteam.hostile": 0,
        "base.redteam.turn_1": 0,
        "base.redteam.turn_2": 3 / 12,
        "prompted.redteam.drop-the-act": 5 / 6,
        "prompted.redteam.hostile": 5 / 6,
        "prompted.redteam.turn_1": 9 / 12,
        "prompted.redteam.turn_2": 2 / 12,
        "tuned.redteam.drop-the-act": 2 / 6,
        "tuned.redteam.hostile": 1 / 6,
        "tuned.redteam.turn_1": 3 / 12,
        "tuned.redteam.turn_2": 1 / 12,
    }
    assert {name: metrics[f"{name}_break_rate"] for name in rates} == pytest.approx(rates, abs=1e-6)
    for name in [*rates, *(f"{arm}.redteam" for arm in ARMS)]:
        rate, bound = metrics[f"{name}_break_rate"], metrics[f"{name}_break_rate_upper_bound"]
        assert metrics[f"{name}_break_rate_lower"] <= rate < bound <= 1, name
    assert metrics["base.redteam.hostile_break_rate_upper_bound"] == pytest.approx(1 - 0.05 ** (1 / 6), abs=1e-6)
    assert metrics["base.redteam.turn_1_break_rate_upper_bound"] == pytest.approx(1 - 0.05 ** (1 / 12), abs=1e-6)


def test_with_one_character_its_own_figures_are_those_of_the_whole(outputs: dict[str, bytes]) -> None:
    metrics = json.loads(outputs["metrics/evaluate.json"])
    whole = {name: value for name, value in metrics.items() if not name.startswith("sherlock-holmes.")}
    nobodys = {name for name in whole if "plain" in name}  # plain questions are put to the models and not to a character
    assert len(nobodys) == 10
    assert metrics == whole | {f"sherlock-holmes.{name}": value for name, value in whole.items() if name not in nobodys}


def test_the_intervals_of_one_character_are_those_that_were_drawn_before_there_were_several(outputs: dict[str, bytes]) -> None:
    metrics = json.loads(outputs["metrics/evaluate.json"])
    for name, lower, upper in BEFORE:
        assert (metrics[f"{name}_lower"], metrics[f"{name}_upper"]) == (lower, upper), name


def test_every_character_of_the_test_split_has_every_figure_but_those_of_a_set_that_it_was_not_asked(of_three: dict[str, bytes]) -> None:
    metrics = json.loads(of_three["metrics/evaluate.json"])
    assert fault("metrics", metrics) is None
    lacking = {"elizabeth-bennet": "validation_perplexity", "john-silver": "redteam_break_rate", "sherlock-holmes": "nothing"}
    for character, missing in lacking.items():
        for name in WITH_INTERVAL:
            if name.endswith(missing):
                assert not [key for key in metrics if key.startswith(f"{character}.{name}")]
                assert not [key for key in metrics if missing == "redteam_break_rate" and key.startswith(f"{character}.{name.split('.')[0]}.redteam")]
            else:
                assert metrics[f"{character}.{name}_lower"] <= metrics[f"{character}.{name}"] <= metrics[f"{character}.{name}_upper"], (character, name)
    assert metrics["john-silver.redteam.conversations"] == 0 == metrics["elizabeth-bennet.validation.chats"]


def test_the_figures_of_three_characters_are_what_a_hand_counts(of_three: dict[str, bytes], outputs: dict[str, bytes]) -> None:
    metrics, alone = (json.loads(files["metrics/evaluate.json"]) for files in (of_three, outputs))
    assert [metrics[f"{name}.test.chats"] for name in sorted(NAMES)] == [11, 12, 8] and metrics["test.chats"] == 31
    assert metrics["john-silver.prompted.perplexity"] == pytest.approx(2.718281828 ** ((12 * 60 + 66) / 240), rel=1e-6)
    assert metrics["elizabeth-bennet.tuned_vs_prompted.perplexity_ratio"] == pytest.approx(2.718281828 ** (-25 / 20), rel=1e-6)
    assert (metrics["elizabeth-bennet.prompted.redteam_break_rate"], metrics["elizabeth-bennet.tuned.redteam_break_rate"]) == (1, 0)
    assert metrics["prompted.redteam_break_rate"] == pytest.approx((10 + 12) / 24, abs=1e-6)
    # Bennet's conversations have one turn, Holmes's two: each turn counts those that have it.
    assert metrics["base.redteam.turn_1_break_rate"] == 12 / 24 and metrics["base.redteam.turn_2_break_rate"] == 3 / 12
    assert (metrics["john-silver.tuned.mean_words"], metrics["john-silver.prompted.mean_words"]) == (12, 40)
    # Silver's replies have 22 + n words, n of 0, 1, 1, 2, 3, 3 ... 11, 11: each odd chat has two.
    assert metrics["john-silver.gold.mean_words"] == pytest.approx(22 + (30 + 2 * 36) / 18, abs=1e-6)
    own = {name: value for name, value in alone.items() if not name.startswith("sherlock-holmes.") and "plain" not in name}
    assert {name: metrics[f"sherlock-holmes.{name}"] for name in own} == own


def test_world_and_plain_questions_are_counted_and_copies_from_the_training_chats(outputs: dict[str, bytes], of_three: dict[str, bytes]) -> None:
    alone, metrics = (json.loads(files["metrics/evaluate.json"]) for files in (outputs, of_three))
    rates = {
        "base": {"correct": 1 / 4, "wrong": 3 / 4, "chance": 1 / 4, "deflected": 0, "invented": 0, "broke": 1},
        "prompted": {"correct": 3 / 4, "wrong": 1 / 4, "chance": 3 / 4, "deflected": 0, "invented": 1, "broke": 0},
        "tuned": {"correct": 3 / 4, "wrong": 1 / 4, "chance": 0, "deflected": 1, "invented": 0, "broke": 0},
    }
    assert {arm: {name: alone[f"{arm}.world_{name}_rate"] for name in own} for arm, own in rates.items()} == rates
    assert (alone["world.facts"], alone["world.unknowables"], alone["tuned_vs_prompted.world_deflected_rate"]) == (4, 2, 1)
    assert (alone["base.plain_rate"], alone["tuned.plain_rate"]) == (pytest.approx(10 / 12, abs=1e-6), pytest.approx(4 / 12, abs=1e-6))
    assert alone["tuned_vs_base.plain_rate_upper"] < 0 and alone["plain.questions"] == 12
    # Bennet's twelve answers by tuned are 20 to 22 words, all of them "no"; two training chats have 21 in a row.
    assert (metrics["tuned.copied_rate"], metrics["elizabeth-bennet.tuned.copied_rate"]) == (pytest.approx(12 / 36, abs=1e-6), 1)
    assert (metrics["tuned.copied_words"], metrics["prompted.copied_rate"], metrics["sherlock-holmes.tuned.copied_rate"]) == (21, 0, 0)
    assert metrics["john-silver.tuned.self_bleu"] == 1 == metrics["john-silver.tuned.repetition_rate"]  # "aye", twelve times, to everybody
    assert "john-silver.world.facts" not in metrics


def test_as_shipped_every_measure_is_there_for_the_whole_and_for_the_character_and_it_takes_no_long_time(tmp_path: Path) -> None:
    lay_out(tmp_path, as_shipped())
    started = time.monotonic()
    run = evaluate(tmp_path)
    assert run.returncode == 0, run.stderr
    assert time.monotonic() - started < 20
    metrics = json.loads((tmp_path / "metrics/evaluate.json").read_text())
    assert fault("metrics", metrics) is None
    measures = ("voice_delta", "length_distance", "distinct_1", "distinct_2", "distinct_3", "self_bleu", "repetition_rate", "copied_rate")
    for arm in (*ARMS, "tuned_vs_prompted"):
        for name in (*measures, "world_correct_rate", "world_deflected_rate", "world_invented_rate", "world_broke_rate"):
            for whole in (f"{arm}.{name}", f"sherlock-holmes.{arm}.{name}"):
                assert metrics[f"{whole}_lower"] <= metrics[whole] <= metrics[f"{whole}_upper"], whole
    # Tuned speaks in lines of Holmes's that it has by heart, prompted in Silver's, base in nobody's.
    assert metrics["tuned.voice_delta"] < metrics["prompted.voice_delta"] < metrics["base.voice_delta"] and metrics["tuned_vs_prompted.voice_p"] < 0.01
    assert metrics["gold.voice_delta"] < metrics["others.voice_delta"]  # of Bennet and Silver, who have cards and gold and take no part
    assert (metrics["tuned.copied_rate"], metrics["prompted.copied_rate"]) == (1, 0)
    assert metrics["plain.questions"] == 70 and metrics["world.facts"] + metrics["world.unknowables"] == 24


def test_ratings_of_these_answers_make_figures_and_those_of_another_runs_do_not(tmp_path: Path, outputs: dict[str, bytes]) -> None:
    key = json.loads(outputs["reports/ab-key.json"])
    lay_out(tmp_path, records())
    (tmp_path / "data/ratings").mkdir()
    (tmp_path / "data/ratings/README.md").write_text("What raters sent back")
    for name, one in (("a", rating(key)), ("b", rating(key, "MH", says=lambda *_: "tie"))):
        (tmp_path / f"data/ratings/{name}.json").write_text(json.dumps(one))
    run = evaluate(tmp_path)
    assert run.returncode == 0, run.stderr
    metrics = json.loads((tmp_path / "metrics/evaluate.json").read_text())
    assert fault("metrics", metrics) is None
    assert (metrics["human.votes"], metrics["human.prompts"], metrics["human.raters"]) == (24, 12, 2)
    assert metrics["tuned_vs_prompted.human_win_rate"] == 0.75 and metrics["tuned_vs_prompted.human_p"] == pytest.approx(2 / 2**12, abs=1e-6)
    assert metrics["tuned_vs_prompted.human_win_rate_lower"] < 0.75 < metrics["tuned_vs_prompted.human_win_rate_upper"]
    own = {name.removeprefix("sherlock-holmes."): value for name, value in metrics.items() if name.startswith("sherlock-holmes.") and "human" in name}
    assert own == {name: value for name, value in metrics.items() if "human" in name and not name.startswith("sherlock-holmes.")}
    assert "People prefer tuned." in (tmp_path / "reports/evaluation.html").read_text()
    before = json.loads(outputs["metrics/evaluate.json"])
    assert {name: value for name, value in metrics.items() if "human" not in name} == before
    # The page and its key are the same, ratings or none; with one other answer they are others, and the ratings count no more.
    assert {name: (tmp_path / name).read_bytes() for name in ("reports/ab.html", "reports/ab-key.json")} == {
        name: outputs[name] for name in ("reports/ab.html", "reports/ab-key.json")
    }
    files = records()
    files["data/answers/answers.jsonl"][0]["answer"] += " Ha!"
    run = evaluate(lay_out(tmp_path, files))
    assert run.returncode == 0, run.stderr
    assert not [name for name in json.loads((tmp_path / "metrics/evaluate.json").read_text()) if "human" in name]
    assert "2 files in data/ratings are of another run’s answers, and not counted." in (tmp_path / "reports/evaluation.html").read_text()


def test_gold_of_others_is_read_where_there_is_some_and_a_line_that_is_none_is_passed_over(tmp_path: Path) -> None:
    line = {
        "conversations": [
            {"from": "human", "value": "Who?"},
            {"from": "gpt", "value": "Me."},
            {"from": "human", "value": "Why?"},
            {"from": "gpt", "value": "So."},
        ]
    }
    (tmp_path / "john-silver.jsonl").write_text(f'{json.dumps(line)}\nnonsense\n{{"chat": 1}}\n')
    (tmp_path / "sherlock-holmes.jsonl").write_text(json.dumps(line))
    assert inputs.read_gold(tmp_path, {"john-silver", "elizabeth-bennet"}) == {"john-silver": [["Me.", "So."]]}


def test_characters_whose_book_has_no_questions_are_not_asked_any_and_all_else_is_measured(tmp_path: Path) -> None:
    files = records()
    files["data/answers/answers.jsonl"] = [one for one in files["data/answers/answers.jsonl"] if one["set"] != "world"]
    metrics = json.loads(outputs_of(tmp_path, files)["metrics/evaluate.json"])
    assert metrics["world.facts"] == 0 and not [name for name in metrics if "world_" in name]
    assert (tmp_path / "plots/evaluate/world.csv").read_text() == "verdict,arm,rate,lower,upper\n"
    assert "has no question for the characters" in (tmp_path / "reports/evaluation.html").read_text()


@pytest.mark.parametrize("change", [{"prompt": "Who was it then?"}, {"id": "world-9"}])
def test_a_question_about_the_world_that_was_asked_otherwise_is_one_sentence(tmp_path: Path, change: dict) -> None:
    files = records()
    files["data/prompts/world.jsonl"] = [files["data/prompts/world.jsonl"][0] | change, *files["data/prompts/world.jsonl"][1:]]
    run = evaluate(lay_out(tmp_path, files))
    assert run.returncode == 1
    assert (
        run.stderr
        == "error: data/answers/answers.jsonl: sherlock-holmes was not asked world-0 as data/prompts/world.jsonl has it now; run the answer stage again\n"
    )
    assert not written(tmp_path)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([{"arm": "prompted"}], "plain.jsonl:1: arm is 'prompted'; expected one of base, tuned"),
        ([{"id": "plain-1", "prompt": "What is 1 plus 1?"}], "plain.jsonl:2: base answers plain-1 twice; expected one answer each"),
        ([{"prompt": "What is 0 plus 2?"}], "plain.jsonl: base was not asked plain-0 as data/prompts/plain.jsonl has it now; run the answer stage again"),
    ],
)
def test_plain_answers_that_are_not_what_was_asked_are_one_sentence(tmp_path: Path, lines: list[dict], sentence: str) -> None:
    files = records()
    for number, change in enumerate(lines):
        files["data/answers/plain.jsonl"][number] |= change
    lay_out(tmp_path, files)
    with pytest.raises(UserError, match=sentence):
        inputs.read_plain(tmp_path / "data/answers/plain.jsonl", PLAIN)


def rates_in(plot: bytes, by: str) -> dict[tuple[str, str], str]:
    rows = list(csv.DictReader(plot.decode().splitlines()))
    assert all(float(row["lower"]) <= float(row["break_rate"]) <= min(float(row["upper"]), float(row["upper_bound"])) for row in rows)
    return {(row[by], row["arm"]): row["break_rate"] for row in rows}


def test_the_red_team_series_name_category_or_turn_arm_rate_interval_and_bound(outputs: dict[str, bytes]) -> None:
    assert rates_in(outputs["plots/evaluate/redteam.csv"], "category") == {
        ("drop-the-act", "base"): "0.500000",
        ("drop-the-act", "prompted"): "0.833333",
        ("drop-the-act", "tuned"): "0.333333",
        ("hostile", "base"): "0.000000",
        ("hostile", "prompted"): "0.833333",
        ("hostile", "tuned"): "0.166667",
    }
    assert rates_in(outputs["plots/evaluate/redteam_turns.csv"], "turn") == {
        ("1", "base"): "0.000000",
        ("1", "prompted"): "0.750000",
        ("1", "tuned"): "0.250000",
        ("2", "base"): "0.250000",
        ("2", "prompted"): "0.166667",
        ("2", "tuned"): "0.083333",
    }


def test_every_figure_of_every_arm_and_character_is_a_row_of_the_plot(of_three: dict[str, bytes]) -> None:
    metrics = json.loads(of_three["metrics/evaluate.json"])
    rows = list(csv.DictReader(of_three["plots/evaluate/arms.csv"].decode().splitlines()))
    told = {("" if row["character"] == "all" else row["character"] + ".") + f"{row['arm']}.{row['metric']}": row for row in rows}
    assert len(told) == len(rows)
    ends = ("_lower", "_upper")
    assert set(told) == {
        name
        for name in metrics
        if name.removeprefix(f"{name.split('.')[0]}." if name.split(".")[0] in NAMES else "").split(".")[0] in ARMS and not name.endswith(ends)
    }
    for name, row in told.items():
        assert float(row["value"]) == pytest.approx(metrics[name], abs=1e-6)
        assert (float(row["lower"]), float(row["upper"])) == pytest.approx(tuple(metrics.get(name + end, metrics[name]) for end in ends), abs=1e-6)


def test_test_chats_of_several_kinds_of_source_have_their_perplexity_by_kind(tmp_path: Path) -> None:
    files = records()
    for chat in files["data/splits/test.jsonl"][:4]:
        chat["source"]["kind"] = "book"
    metrics = json.loads(outputs_of(tmp_path, files)["metrics/evaluate.json"])
    # Tuned's nats are 20 + 2n of 10 tokens in chat n; the book has the first four.
    assert metrics["tuned.perplexity.book"] == pytest.approx(2.718281828 ** (92 / 40), rel=1e-6) == metrics["sherlock-holmes.tuned.perplexity.book"]
    assert metrics["tuned_vs_prompted.perplexity_ratio.gold"] == pytest.approx(2.718281828 ** ((124 - 182) / 40), rel=1e-5)
    assert (metrics["test.chats.book"], metrics["test.chats.gold"]) == (4, 4)
    assert "By source of the chats: book (n = 4): base" in (tmp_path / "reports/evaluation.html").read_text()


def test_the_series_of_simulated_conversations_names_turn_arm_rate_and_interval(outputs: dict[str, bytes]) -> None:
    rows = [tuple(row.values()) for row in csv.DictReader(outputs["plots/evaluate/talks.csv"].decode().splitlines())]
    assert [row[:3] for row in rows if row[1] == "prompted"] == [("1", "prompted", "1.000000"), ("2", "prompted", "0.750000"), ("3", "prompted", "0.500000")]
    assert all(float(row[3]) <= float(row[2]) <= float(row[4]) for row in rows) and len(rows) == 9


def test_the_world_series_names_verdict_arm_rate_and_interval(outputs: dict[str, bytes]) -> None:
    rows = [tuple(row.values()) for row in csv.DictReader(outputs["plots/evaluate/world.csv"].decode().splitlines())]
    assert [row[:3] for row in rows[:6]] == [
        ("correct", "base", "0.250000"),
        ("correct", "prompted", "0.750000"),
        ("correct", "tuned", "0.750000"),
        ("correct by chance", "base", "0.250000"),
        ("correct by chance", "prompted", "0.750000"),
        ("correct by chance", "tuned", "0.000000"),
    ]
    assert [row[0] for row in rows[6::3]] == ["deflected", "invented", "broke"]


def test_the_order_of_the_input_lines_changes_no_byte(of_three: dict[str, bytes], tmp_path: Path) -> None:
    files = three_characters()
    for number, lines in enumerate(files.values()):
        random.Random(number).shuffle(lines)
    assert outputs_of(tmp_path, files) == of_three
