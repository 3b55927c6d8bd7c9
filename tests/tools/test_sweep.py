"""tools.sweep: on experiments made by hand, on a real DVC repository with experiments of a stage that takes no time, and its page in a browser."""

from __future__ import annotations

import os
import subprocess
import sys
from math import log, sqrt
from pathlib import Path

import numpy as np
import pytest

from stages.common.errors import UserError
from stages.evaluate.intervals import Estimate
from tests.browser import CONTRAST, Browser
from tests.pages import loads_nothing, runs_nothing, words_of
from tests.project import ROOT
from tools.sweep.axis import axis
from tools.sweep.conclusions import Floor, conclude
from tools.sweep.experiments import Experiment, parsed
from tools.sweep.page import page
from tools.sweep.points import Sweep, sweep
from tools.sweep.trend import NO, OPEN, YES, Trend, fit, worth

EVALUATE, SPLIT = "metrics/evaluate.json", "metrics/split.json"
NO_FLOOR = Floor()


def experiment(name: str, figure: float, chats: int = 121, half: float = 1.0, test: str | None = "t", **params: object) -> Experiment:
    figures = {"tuned.perplexity": figure, "tuned.perplexity_lower": figure - half, "tuned.perplexity_upper": figure + half, "tuned.mean_words": 50.0}
    named = {key.replace("__", "."): value for key, value in params.items()}
    return Experiment(name, {"lora_r": 16, "split.train_limit": None, "evaluate.confidence": 0.95, **named}, {EVALUATE: figures, SPLIT: {"train": chats}}, test)


def over_rank(*experiments: Experiment, **where: object) -> Sweep:
    return sweep(experiments, "tuned.perplexity", "lora_r", where)


def over_chats(*experiments: Experiment, metric: str = "tuned.perplexity") -> Sweep:
    return sweep(experiments, metric, "split.train_limit", {})


def curve(slope: float, half: float, sizes: tuple[int, ...] = (30, 60, 121), shift: float = 0.0) -> Sweep:
    """Perplexities on a line against the logarithm, but the middle one, which lies `shift` off it."""
    limits = [*sizes[:-1], None]
    figures = [80 + slope * log(size) + (shift if number == 1 else 0) for number, size in enumerate(sizes)]
    return over_chats(
        *(experiment(f"n{size}", figure, size, half, split__train_limit=limit) for size, figure, limit in zip(sizes, figures, limits, strict=True))
    )


def test_experiments_are_sorted_by_the_parameter_and_keep_their_interval() -> None:
    found = over_rank(experiment("main", 50.0), experiment("wide", 49.0, lora_r=64), experiment("thin", 52.0, half=2.0, lora_r=4))
    assert [(point.names, point.value, point.figure, point.lower, point.upper) for point in found.points] == [
        (("thin",), 4, 52.0, 50.0, 54.0), (("main",), 16, 50.0, 49.0, 51.0), (("wide",), 64, 49.0, 48.0, 50.0),
    ]  # fmt: skip
    assert not found.by_chats and not found.others


def test_only_experiments_alike_in_everything_else_are_drawn_and_the_others_are_named_with_what_differs() -> None:
    mine = [experiment("main", 50.0), experiment("thin", 52.0, lora_r=4), experiment("wide", 49.0, lora_r=64)]
    fast = [experiment(f"fast{rank}", 40.0 + rank, lora_r=rank, learning_rate=0.01) for rank in (4, 8)]
    found = over_rank(*mine, *fast)
    assert [point.names[0] for point in found.points] == ["thin", "main", "wide"]
    assert found.others == {"fast4": ["learning_rate=0.01"], "fast8": ["learning_rate=0.01"]}
    assert [point.names[0] for point in over_rank(*mine, *fast, learning_rate=0.01).points] == ["fast4", "fast8"]


def test_experiments_of_one_value_are_all_drawn_side_by_side_where_only_a_seed_tells_them_apart() -> None:
    found = over_rank(*(experiment(f"{rank}-{seed}", 50.0 + seed / 10, lora_r=rank, seed=seed) for rank in (8, 16) for seed in (1, 2)))
    assert [point.names[0] for point in found.points] == ["8-1", "8-2", "16-1", "16-2"]
    places = axis(found, None).points
    assert len(set(places)) == 4 and 0 < places[1] - places[0] < 0.05 < places[2] - places[1]


def test_one_run_under_two_names_is_one_point() -> None:
    found = over_rank(experiment("main", 50.0), experiment("again", 50.0), experiment("thin", 52.0, lora_r=4))
    assert [point.names for point in found.points] == [("thin",), ("main", "again")]
    limits = [experiment("main", 50.0), experiment("above", 50.0, split__train_limit=400), experiment("few", 60.0, 30, split__train_limit=30)]
    assert [point.names for point in over_chats(*limits).points] == [("few",), ("main", "above")]
    with pytest.raises(UserError, match="^split.train_limit made no difference: 2 experiments with 2 values of it are one run, on 121 training chats$"):
        over_chats(*limits[:2])


def test_the_figure_of_one_kind_of_chats_is_the_whole_where_there_is_no_other_kind() -> None:
    gold = experiment("gold", 50.0, curate__use=["gold"], test="a")
    gold.metrics["metrics/curate.json"] = {"kept_gold": 100}
    both = experiment("both", 48.0, curate__use=["gold", "book"], test="b")
    both.metrics["metrics/curate.json"] = {"kept_gold": 100, "kept_book": 50}
    both.metrics[EVALUATE] |= {"tuned.perplexity.gold": 47.0, "test.chats.gold": 32}
    gold.metrics[EVALUATE]["test.chats"] = 32
    found = sweep([both, gold], "tuned.perplexity.gold", "curate.use", {})
    assert found.one_test and [(point.value, point.figure) for point in found.points] == [(["gold"], 50.0), (["gold", "book"], 47.0)]
    assert not sweep([both, gold], "tuned.perplexity", "curate.use", {}).one_test
    assert [label for _, label in axis(found, None).ticks] == ["gold", "gold + book"]


@pytest.mark.parametrize(
    ("metric", "over", "experiments", "sentence"),
    [
        ("tuned.perplexity", "lora_r", [], "no experiment with metrics beside this commit (--rev names another); expected a sweep, as `dvc exp run --queue -S 'lora_r=ONE,ANOTHER' evaluate`"),
        ("tuned.perplexity", "lora_r", [("main", {})], "no experiment with metrics beside main (--rev names another); expected"),
        ("tuned.perplexty", "lora_r", [("main", {}), ("b", {"lora_r": 8})], "no experiment has the metric tuned.perplexty; the nearest there is: tuned.perplexity"),
        ("tuned.perplexity", "lora_rank", [("main", {}), ("b", {"lora_r": 8})], "no experiment has the parameter lora_rank; the nearest there is: lora_r"),
        ("tuned.perplexity", "lora_r", [("main", {}), ("b", {})], "lora_r is 16 in all 2 experiments that are alike in everything else; expected a sweep"),
        ("\x1b[31m", "lora_r", [("main", {}), ("b", {"lora_r": 8})], 'no experiment has the metric "\\u001b[31m"'),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_one_sentence(metric: str, over: str, experiments: list, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        sweep([experiment(name, 50.0, **params) for name, params in experiments], metric, over, {})
    assert str(caught.value).startswith(sentence) and "\n" not in str(caught.value)


def test_a_metric_of_two_files_asks_which() -> None:
    both = [experiment("main", 50.0), experiment("b", 49.0, lora_r=8)]
    for one in both:
        one.metrics[SPLIT]["tuned.perplexity"] = 1.0
    with pytest.raises(UserError, match=f"^tuned.perplexity stands in {EVALUATE} and in {SPLIT}; expected one of {EVALUATE}:tuned.perplexity, "):
        over_rank(*both)
    assert sweep(both, f"{EVALUATE}:tuned.perplexity", "lora_r", {}).points[0].figure == 49.0


def test_the_line_is_that_of_weighted_least_squares() -> None:
    sizes, halves = (30, 60, 121, 400), (3.0, 1.0, 2.0, 0.5)
    figures = [60.0, 57.5, 52.0, 47.0]
    trend = fit(sizes, [Estimate(y, y - half, y + half) for y, half in zip(figures, halves, strict=True)], 0.95)
    errors = np.array(halves) / 1.959964
    (slope, level), covariance = np.polyfit(np.log(sizes), figures, 1, w=1 / errors, cov="unscaled")
    widened = max(1.0, sqrt(sum(((np.array(figures) - level - slope * np.log(sizes)) / errors) ** 2) / 2))
    assert trend.slope == pytest.approx(slope) and trend.widened == pytest.approx(widened) and widened > 1
    assert trend.slope_error == pytest.approx(widened * sqrt(covariance[0, 0]), rel=1e-5)
    there, x = trend.at(900), log(900)
    assert there.value == pytest.approx(level + slope * x)
    assert there.upper - there.value == pytest.approx(1.959964 * widened * sqrt(np.array([x, 1]) @ covariance @ np.array([x, 1])), rel=1e-5)
    change = trend.change(400, 500)
    assert change.value == pytest.approx(there.value - trend.at(400).value)
    assert change.upper - change.lower == pytest.approx(2 * 1.959964 * trend.slope_error * log(900 / 400), rel=1e-5)


def test_the_interval_of_the_change_holds_the_truth_about_as_often_as_it_says() -> None:
    random, sizes, error, true = np.random.default_rng(1), (50, 100, 200, 400), 0.8, -5 * log(900 / 400)
    held = 0
    for _ in range(2000):
        figures = [80 - 5 * log(size) + random.normal(0, error) for size in sizes]
        change = fit(sizes, [Estimate(y, y - 1.96 * error, y + 1.96 * error) for y in figures], 0.95).change(400, 500)
        held += change.lower <= true <= change.upper
    assert 0.94 < held / 2000 < 0.99  # widened where the points scatter: rather too wide than too narrow


@pytest.mark.parametrize(
    ("sizes", "half", "sentence"),
    [((30, 60), 1.0, "2 numbers of training chats make no trend; it takes 3"), ((30, 60, 121), 0.0, "interval has no width")],
)
def test_without_three_numbers_of_chats_or_without_spread_it_cannot_tell(sizes: tuple[int, ...], half: float, sentence: str) -> None:
    said = conclude(curve(-6.0, half, sizes), 500, NO_FLOOR)
    assert said.headline.startswith("Is another 500 chats worth it? Cannot tell: ") and sentence in said.headline and said.trend is None


def test_a_metric_without_an_interval_cannot_tell() -> None:
    said = conclude(over_chats(*(experiment(str(n), 50.0, n, split__train_limit=n) for n in (30, 60, 121)), metric="tuned.mean_words"), 500, NO_FLOOR)
    assert "Cannot tell: tuned.mean_words has no interval" in said.headline


@pytest.mark.parametrize(
    ("change", "better", "noise", "verdict"),
    [
        (Estimate(-5, -7, -3), "lower", 0.0, YES),
        (Estimate(-5, -7, -3), "higher", 0.0, NO),
        (Estimate(5, 3, 7), "higher", 1.0, YES),
        (Estimate(-5, -7, -3), "lower", 6.0, OPEN),  # less than the seeds make, but perhaps more
        (Estimate(-5, -7, -3), "lower", 7.5, NO),
        (Estimate(-1, -3, 1), "lower", 0.0, OPEN),
        (Estimate(1, -3, 5), "lower", 4.0, NO),
        (Estimate(-5, -7, -3), "nearer to the gold", 0.0, OPEN),
        (Estimate(-5, -7, -3), None, 0.0, OPEN),
    ],
)
def test_more_is_worth_it_only_by_a_whole_interval_and_more_than_seeds_make(change: Estimate, better: str | None, noise: float, verdict: str) -> None:
    assert worth(change, better, noise) == verdict


def test_whether_more_chats_are_worth_it_is_told_in_words_as_extrapolation_beside_the_guides_table() -> None:
    said = conclude(curve(-6.0, 1.0), 500, Floor(3, 1.5))
    assert said.headline == "Is another 500 chats worth it? Yes: by the whole interval a gain and more than training seeds make, if the trend goes on."
    words = " ".join(said.sentences)
    expected = 80 - 6 * log(621)
    assert f"at {expected:.4g} (" in words and "with 621 chats, 9.81 lower than with 121" in words
    assert "extrapolation, to 5.1 times the largest number" in words
    assert "121 chats are “minimal effect”, 621 “noticeable improvement”; for character chat it starts with 1,000 to 3,000" in words
    assert "3 training seeds alone make tuned.perplexity differ by 1.5" in words
    assert isinstance(said.trend, Trend) and said.reach == 621


def test_it_says_no_where_the_trend_goes_wrong_or_stays_within_the_seeds_and_cannot_tell_between() -> None:
    assert "? No: at most" in conclude(curve(4.0, 1.0), 500, NO_FLOOR).headline
    within = conclude(curve(-0.2, 0.1), 500, Floor(3, 3.0)).headline
    assert "? No: at most 0.4" in within and within.endswith("would be gained, which training seeds alone make, if the trend goes on.")
    assert "? Cannot tell: the trend could go either way" in conclude(curve(-1.0, 3.0), 500, NO_FLOOR).headline
    off = conclude(curve(-6.0, 0.5, shift=4.0), 500, NO_FLOOR)
    assert "? Cannot tell" in off.headline and any("times as far from the line as their intervals say" in sentence for sentence in off.sentences)


def test_different_test_chats_are_told_and_nothing_is_concluded_from_them() -> None:
    found = over_chats(*(experiment(str(n), 80 - 6 * log(n), n, test=str(n), split__train_limit=n) for n in (30, 60, 121)))
    said = conclude(found, 500, NO_FLOOR)
    assert "Cannot tell: the experiments were measured on different test chats" in said.headline
    assert any("cannot be compared" in sentence for sentence in said.sentences)


def test_over_a_rank_the_best_is_named_with_what_overlaps_and_the_noise() -> None:
    found = over_rank(experiment("main", 50.0), experiment("thin", 55.0, lora_r=4), experiment("wide", 49.0, lora_r=64))
    said = conclude(found, 500, Floor(3, 1.5))
    assert said.headline == "The best tuned.perplexity of these has lora_r=64: 49 (48 to 50) (lower is better)."
    assert said.sentences[0] == "The interval of lora_r=16 overlaps with that." and "tools.compare main wide" in said.sentences[1]


def test_a_wide_span_of_numbers_stands_on_a_logarithmic_axis_and_labels_keep_apart() -> None:
    along = axis(over_rank(*(experiment(str(rank), 50.0 + rank, lora_r=rank) for rank in (8, 16, 32, 64))), None)
    steps = np.diff(along.points)
    assert np.allclose(steps, steps[0]) and [label for _, label in along.ticks] == ["8", "16", "32", "64"]
    close = axis(over_rank(*(experiment(str(rank), 50.0 + rank, lora_r=rank) for rank in range(8, 31))), None)
    assert min(np.diff([place for place, _ in close.ticks])) >= 0.09


HOSTILE = "</title></svg><script>document.title = 'owned'</script>\u202e" + "x" * 300


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a sweep over chats in which names and values mean harm."""
    sizes = (30, 60, 121, 400)
    experiments = [experiment(f"{HOSTILE}{n}", 80 - 6 * log(n), n, split__train_limit=n) for n in sizes]
    experiments.append(experiment("other", 1.0, split__train_limit=7, curate__use=HOSTILE))
    found = over_chats(*experiments)
    path = tmp_path_factory.mktemp("sweep") / "sweep.html"
    path.write_text(page(found, conclude(found, 500, Floor(3, 1.5))), encoding="utf-8")
    return path


def test_the_page_is_whole_in_itself_and_says_what_the_terminal_says(html: Path) -> None:
    text = html.read_text(encoding="utf-8")
    loads_nothing(text)
    runs_nothing(text)
    words = words_of(text)
    assert "Is another 500 chats worth it? Yes" in words and "500 to 1 999 noticeable improvement 900 (ahead)" in words
    assert text.count('class="point"') == 4 and text.count('class="trend"') == 1


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
def test_in_a_browser_all_is_readable_by_keyboard_and_on_a_phone(html: Path, tmp_path: Path, dark: bool) -> None:
    with Browser(tmp_path / "profile", tmp_path) as browser:
        browser.screen(1100, 900, dark=dark)
        browser.open(html)
        lowest = browser.run(CONTRAST)
        assert lowest[0] >= 4.5, lowest  # WCAG 2.2, 1.4.3
        assert browser.run("document.title") == "tuned.perplexity over split.train_limit"
        browser.press("Tab")
        assert browser.run("document.activeElement.className") == "skip"
        browser.press("Tab", "Tab")
        assert browser.run("document.activeElement.getAttribute('aria-label')").startswith("split.train_limit=60, 60 training chats: ")
        browser.press("Enter")
        assert browser.run("location.hash") == "#row-1" and browser.run("document.querySelector('tr:target th').textContent") == "60"
        browser.screen(360, 740, phone=True, dark=dark)
        browser.open(html)
        assert browser.run("[innerWidth, document.documentElement.scrollWidth]") == [360, 360]
        assert browser.errors == []


STAGE = """
import json, math
from ruamel.yaml import YAML
params = YAML(typ="safe").load(open("params.yaml"))
chats = params["split"]["train_limit"] or 121
figure = 80 - 6 * math.log(chats) + 0.1 * params["lora_r"]
json.dump({"tuned.perplexity": figure, "tuned.perplexity_lower": figure - 1, "tuned.perplexity_upper": figure + 1}, open("metrics/evaluate.json", "w"))
json.dump({"train": chats}, open("metrics/split.json", "w"))
"""


@pytest.mark.slow
def test_the_experiments_of_a_real_repository_are_read_drawn_and_told(tmp_path: Path) -> None:
    surroundings = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"}
    names = {f"GIT_{who}_{what}": "tests@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

    def run(*command: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(command, cwd=tmp_path, env={**surroundings, **names}, capture_output=True, text=True)
        assert done.returncode == status, done.stderr + done.stdout
        return done

    def told(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        return run(sys.executable, "-m", "tools.sweep", *arguments, status=status)

    assert told("tuned.perplexity", "--over", "lora_r", status=1).stderr.startswith("error: dvc exp show: you are not inside of a DVC repository")
    (tmp_path / "stage.py").write_text(STAGE)
    (tmp_path / "params.yaml").write_text("lora_r: 16\nsplit: {train_limit: null}\nevaluate: {confidence: 0.95}\n")
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  train:\n    cmd: cp params.yaml model\n    params: [lora_r]\n    outs: [model]\n"
        "  evaluate:\n    cmd: mkdir -p metrics && python stage.py\n    deps: [model]\n    params: [lora_r, split.train_limit, evaluate.confidence]\n"
        "    metrics:\n" + "".join(f"    - {path}: {{cache: false}}\n" for path in (EVALUATE, SPLIT))
    )
    for command in ("git init -q -b main", "dvc init -q", "dvc repro -q", "git add -A", "git commit -qm start"):
        run(*command.split())
    assert "no experiment with metrics beside main" in told("tuned.perplexity", "--over", "lora_r", status=1).stderr
    for name, setting in (("few", "split.train_limit=30"), ("some", "split.train_limit=60"), ("thin", "lora_r=4")):
        run("dvc", "exp", "run", "-q", "-n", name, "-S", setting)
        run("git", "checkout", "-q", "-f", "main")
    run("dvc", "exp", "run", "-q", "-n", "halfway", "-S", "lora_r=64", "train")  # its metrics are those that git has, of rank 16
    run("git", "checkout", "-q", "-f", "main")

    said = told("tuned.perplexity", "--over", "split.train_limit").stdout.splitlines()
    assert [line.split() for line in said[1:4]] == [
        ["30", "30", "61.19", "(60.19", "to", "62.19)", "few"],
        ["60", "60", "57.03", "(56.03", "to", "58.03)", "some"],
        ["null", "121", "52.83", "(51.83", "to", "53.83)", "main"],
    ]
    assert said[5].startswith("Is another 500 chats worth it? Yes") and said[-1] == "reports/sweep.html"
    assert "thin (lora_r=4)" in "\n".join(said)
    assert (tmp_path / "reports/sweep.html").read_text(encoding="utf-8").count('class="point"') == 3
    ranks = told("tuned.perplexity", "--over", "lora_r", "--out", "rank.html").stdout
    assert [line.split()[0] for line in ranks.splitlines()[1:3]] == ["4", "16"] and (tmp_path / "rank.html").exists()
    assert "Left out, for metrics/evaluate.json is not theirs but that of what they began from: halfway." in ranks
    run("git", "commit", "-q", "--allow-empty", "-m", "the winner")
    assert "no experiment with metrics" in told("tuned.perplexity", "--over", "split.train_limit", status=1).stderr
    assert told("tuned.perplexity", "--over", "split.train_limit", "--rev", "HEAD~1").stdout.splitlines()[5] == said[5]
    assert "error: dvc exp show: unknown Git revision 'nowhere'" in told("tuned.perplexity", "--over", "lora_r", "--rev", "nowhere", status=1).stderr
    assert told("tuned.perplexity", "--over", "lora_r", "--where", "nonsense", status=1).stderr == (
        "error: --where nonsense: expected NAME=VALUE, as `dvc exp run -S` takes it\n"
    )


def test_what_failed_or_waits_in_the_queue_is_no_point_and_the_workspace_neither() -> None:
    done = {"metrics": {EVALUATE: {"data": {"tuned": {"perplexity": 50.0}}}}, "params": {"params.yaml": {"data": {"train": {"keep": "best"}}}}, "outs": {}}
    waiting = {"rev": "b" * 40, "name": None, "data": {"metrics": {}, "params": {}}, "experiments": None}
    failed = {"rev": "c" * 40, "name": "failed", "data": None, "error": {"msg": "x", "type": "y"}}
    head = {"rev": "a" * 40, "name": None, "data": done, "experiments": [{"revs": [waiting]}, {"revs": [failed]}, {"revs": None}]}
    (found,) = parsed([{"rev": "workspace", "data": done, "experiments": None}, head], lambda revision: {})
    assert found == Experiment("aaaaaaa", {"train.keep": "best"}, {EVALUATE: {"tuned.perplexity": 50.0}}, None)
