"""tools.compare on two commits of a project whose evaluation is real, and its judgment on figures made by hand."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stages.common.errors import UserError
from stages.evaluate.intervals import Estimate
from tests.evaluate.sample import answer, evaluate, lay_out, records
from tests.project import ROOT
from tools.compare import noise
from tools.compare.__main__ import told
from tools.compare.directions import direction
from tools.compare.judging import rows, unranked
from tools.compare.pairs import Paired
from tools.compare.sides import Side

EVALUATION = "metrics/evaluate.json"


def run(folder: Path, *command: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == status, done.stderr + done.stdout
    return done


def compared(folder: Path, a: str, b: str) -> dict:
    found = json.loads(run(folder, sys.executable, "-m", "tools.compare", "--json", a, b).stdout)
    found["by name"] = {row["metric"]: row for row in found["metrics"] if row["file"] == EVALUATION}
    return found


def trained_better() -> dict[str, list[dict]]:
    """The sample after a training that made tuned hold out under attack and lowered its loss, and an arm more that was asked of nobody before."""
    files = records()
    for record in files["data/answers/answers.jsonl"]:
        if record["arm"] == "tuned" and record["set"] == "redteam":
            record["answer"] = "I'm an AI." if record["id"] < "redteam-010" else "Nonsense."
    for record in files["data/answers/losses.jsonl"]:
        if record["arm"] == "tuned":
            record["nll"] *= 0.5
    for arm in ("base", "prompted", "tuned"):
        files["data/answers/answers.jsonl"].append(answer(arm, "evaluation", 77, "Observe."))
    return files


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git and DVC project with two commits, one and two, of the sample's evaluation; the answers lie in DVC's cache."""
    folder = tmp_path_factory.mktemp("compare")
    for command in ("git init -q", "git config user.email t@example.org", "git config user.name t", "dvc init -q", "dvc config core.autostage true"):
        run(folder, *command.split())
    shutil.copytree(ROOT / "schemas", folder / "schemas")
    (folder / "data/gold").mkdir(parents=True)
    (folder / "data/gold/README.md").write_text("Nobody's.")
    for tag, files in (("one", records()), ("two", trained_better())):
        done = evaluate(lay_out(folder, files))
        assert done.returncode == 0, done.stderr
        (folder / "dvc.yaml").unlink()  # what stands in the cache is told by .dvc files here
        run(folder, "dvc", "add", "-q", "data/answers", "data/splits")
        run(folder, "git", "add", "-A")
        run(folder, "git", "commit", "-qm", tag)
        run(folder, "git", "tag", tag)
    return folder


@pytest.fixture(scope="module")
def found(project: Path) -> dict:
    return compared(project, "one", "two")


@pytest.mark.slow
def test_into_a_pipe_that_nobody_reads_to_its_end_it_says_no_word_of_error(project: Path) -> None:
    done = run(project, "bash", "-c", f"{sys.executable} -m tools.compare --json one two | head -c 1")
    assert (done.stdout, done.stderr) == ("{", "")


@pytest.mark.slow
def test_tests_are_paired_by_conversation_and_by_chat_where_the_answers_are_in_the_cache(found: dict) -> None:
    assert found["unpaired"] is None
    attack = found["by name"]["tuned.redteam_break_rate"]
    # In 3 of 12 conversations it broke before, and in 10 of 12 now.
    assert (attack["a"], attack["b"], attack["n"], attack["verdict"]) == (0.25, pytest.approx(10 / 12, abs=1e-6), 12, "worse")
    assert attack["difference"] == pytest.approx(7 / 12) and attack["lower"] > 0
    assert (attack["better"], attack["test"]) == ("lower", "Newcombe's interval, paired by conversation")
    untouched = found["by name"]["prompted.redteam_break_rate"]
    assert (untouched["verdict"], untouched["why"], untouched["difference"], untouched["n"]) == ("cannot tell", "the same", 0, 12)


@pytest.mark.slow
def test_a_difference_on_few_chats_shows_nothing_and_the_ratio_is_of_the_same_chats(found: dict) -> None:
    perplexity = found["by name"]["tuned.perplexity"]
    loss = found["by name"]["tuned.loss"]
    assert (loss["verdict"], loss["n"]) == (perplexity["verdict"], perplexity["n"]) and loss["difference"] == pytest.approx(math.log(perplexity["difference"]))
    assert perplexity["difference"] == pytest.approx(perplexity["b"] / perplexity["a"], rel=1e-5)
    assert perplexity["upper"] < 1
    assert (perplexity["n"], perplexity["verdict"], perplexity["why"]) == (8, "cannot tell", "n below 10 shows nothing")


@pytest.mark.slow
def test_prompts_that_only_one_side_was_asked_are_left_out_of_the_pairs(found: dict) -> None:
    assert found["by name"]["tuned.in_character_rate"]["n"] == 12  # B was asked 13
    assert {"file": EVALUATION, "metric": "evaluation.prompts", "a": 12, "b": 13} in found["unranked"]


@pytest.mark.slow
def test_each_metric_of_the_whole_stands_there_for_the_one_character_too(found: dict) -> None:
    own = {name: row for name, row in found["by name"].items() if name.startswith("sherlock-holmes.tuned.redteam")}
    assert own
    for name, row in own.items():
        assert {**row, "metric": ""} == {**found["by name"][name.removeprefix("sherlock-holmes.")], "metric": ""}


@pytest.mark.slow
def test_the_names_are_those_of_dvc_metrics_diff(project: Path, found: dict) -> None:
    shown = json.loads(run(project, "dvc", "metrics", "diff", "one", "two", "--targets", EVALUATION, "--json").stdout)[EVALUATION]
    ours = {row["metric"] for row in [*found["metrics"], *found["unranked"]] if row["file"] == EVALUATION}
    ends = ("_lower", "_upper", "_upper_bound")
    assert {name for name in shown if not name.endswith(ends)} - ours == set()


@pytest.mark.slow
def test_the_terminal_tells_counts_verdicts_test_n_and_which_way_is_better(project: Path) -> None:
    told = run(project, sys.executable, "-m", "tools.compare", "one", "workspace").stdout
    assert told.startswith("workspace against one: of ")
    (line,) = [line for line in told.splitlines() if line.split()[1:2] == ["tuned.redteam_break_rate"]]
    assert line.startswith("worse ") and "[lower is better; Newcombe's interval, paired by conversation, n = 12]" in line
    assert "Noise floor: not measured (benchmarks/noise.json: python -m benchmarks.noise)." in told


@pytest.mark.slow
def test_what_training_seeds_alone_make_is_no_difference(project: Path) -> None:
    path = project / "benchmarks/noise.json"
    path.parent.mkdir()
    for span, verdict in ((0.6, "cannot tell"), (0.5, "worse")):
        path.write_text(json.dumps({"seeds": [1, 2, 3], "metrics": {EVALUATION: {"tuned.redteam_break_rate": {"range": span}}}}))
        row = compared(project, "one", "two")["by name"]["tuned.redteam_break_rate"]
        assert row["verdict"] == verdict
        assert row["why"] == ("within the 0.6 by which 3 training seeds differ" if span == 0.6 else "")
    shutil.rmtree(path.parent)


@pytest.mark.slow
def test_without_the_answers_it_goes_by_the_two_sides_intervals_and_says_so(project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "clone"
    run(tmp_path, "git", "clone", "-q", str(project), str(copy))
    found = compared(copy, "one", "two")
    assert found["unpaired"] == "one has no data/answers/answers.jsonl at hand (dvc pull)"
    row = found["by name"]["tuned.redteam_break_rate"]
    assert (row["test"], row["n"], row["verdict"]) == ("the two intervals, as if independent", 12, "worse")
    assert row["lower"] < found["by name"]["tuned.redteam_break_rate"]["difference"] < row["upper"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nothing-of-that-name", "two words", "HEAD~9"])
def test_a_name_that_is_nothing_is_one_sentence(project: Path, name: str) -> None:
    done = run(project, sys.executable, "-m", "tools.compare", "one", name, status=1)
    assert done.stderr.startswith(f"error: {name}: no experiment, branch, tag or commit of this name") and done.stderr.count("\n") == 1


def side(name: str, figures: dict[str, float], file: str = EVALUATION, folder: Path = Path("nowhere")) -> Side:
    return Side(name, folder, {file: figures}, None)


RATIO = Paired(Estimate(0.8, 0.7, 0.9), 1.0, 40, "bootstrap")


def interval(name: str, value: float, half: float) -> dict[str, float]:
    return {name: value, f"{name}_lower": value - half, f"{name}_upper": value + half, "test.chats": 40, "evaluation.prompts": 30, "voice.prompts": 30}


def judged(a: dict, b: dict, pairs: dict | None = None, noise: float | None = None, file: str = EVALUATION) -> tuple[str, str]:
    name = next(iter(a))
    (row,) = rows(side("a", a, file), side("b", b, file), pairs or {}, 3 if noise else 0, {file: {name: noise}} if noise else {}, 0.95)
    return row.verdict, row.why


def test_two_intervals_are_put_together_as_if_they_were_independent() -> None:
    # Halves of 3 and 4 make 5.
    (row,) = rows(side("a", interval("tuned.perplexity", 50, 3)), side("b", interval("tuned.perplexity", 44, 4)), {}, 0, {}, 0.95)
    assert (row.difference, row.lower, row.upper, row.verdict, row.n) == (-6, -11, -1, "better", 40)
    assert judged(interval("tuned.perplexity", 50, 3), interval("tuned.perplexity", 46, 4)) == ("cannot tell", "chance could do that")
    assert judged(interval("tuned.in_character_rate", 0.5, 0.03), interval("tuned.in_character_rate", 0.4, 0.04)) == ("worse", "")


def test_the_voice_is_judged_by_its_permutation_test() -> None:
    a, b = interval("tuned.voice_delta", 0.9, 0.1), interval("tuned.voice_delta", 0.7, 0.1)
    for p, difference, verdict in ((0.01, -0.2, "better"), (0.4, -0.2, "cannot tell"), (0.99, 0.2, "worse"), (1.0, 0.0, "cannot tell")):
        pair = Paired(Estimate(difference, difference - 0.1, difference + 0.1), 0.0, 30, "permutation", p)
        assert judged(a, b, {"tuned.voice_delta": pair})[0] == verdict


def test_a_metric_without_an_interval_is_judged_by_the_noise_floor_alone() -> None:
    for loss, floor, expected in ((3.8, 0.05, ("better", "")), (3.98, 0.05, ("cannot tell", "within the 0.05 by which 3 training seeds differ"))):
        assert judged({"eval_loss": 4.0}, {"eval_loss": loss}, noise=floor, file="metrics/train.json") == expected
    assert judged({"eval_loss": 4.0}, {"eval_loss": 3.0}, file="metrics/train.json") == ("cannot tell", "neither interval nor noise floor")


def test_noise_of_training_does_not_cover_what_two_evaluations_of_one_adapter_say(tmp_path: Path) -> None:
    lock = "stages:\n  train:\n    outs:\n    - {path: models/adapter, md5: %s.dir}\n"
    figures = interval("tuned.empty_rate", 0.0, 0.0), interval("tuned.empty_rate", 0.5, 0.1)
    for other, verdict in (("aa", "worse"), ("bb", "cannot tell")):
        folders = tmp_path / f"a{other}", tmp_path / f"b{other}"
        for folder, adapter in zip(folders, ("aa", other), strict=True):
            folder.mkdir()
            (folder / "dvc.lock").write_text(lock % adapter)
        a, b = (Side(folder.name, folder, {EVALUATION: own}, None) for folder, own in zip(folders, figures, strict=True))
        (row,) = rows(a, b, {}, 3, {EVALUATION: {"tuned.empty_rate": 0.6}}, 0.95)
        assert row.verdict == verdict


@pytest.mark.parametrize(
    ("file", "metric", "better"),
    [
        (EVALUATION, "tuned.perplexity", "lower"),
        (EVALUATION, "tuned.perplexity.book", "lower"),
        (EVALUATION, "john-silver.tuned_vs_prompted.perplexity_ratio", "lower"),
        (EVALUATION, "base.redteam.as-an-ai_break_rate", "lower"),
        (EVALUATION, "prompted.world_correct_rate.who", "higher"),
        (EVALUATION, "sherlock-holmes.tuned.talk_in_character_rate", "higher"),
        (EVALUATION, "tuned_vs_prompted.talk_in_character_rate", "higher"),
        (EVALUATION, "tuned.talk.turn_3_in_character_rate", "higher"),
        (EVALUATION, "base.talk.as-an-ai_in_character_rate", "higher"),
        (EVALUATION, "base.talk_visitor_own_rate", None),
        (EVALUATION, "tuned.mean_words", "nearer to the gold"),
        (EVALUATION, "tuned_vs_prompted.words_from_gold", "lower"),
        (EVALUATION, "gold.mean_words", None),
        (EVALUATION, "test.chats", None),
        (EVALUATION, "tuned_vs_prompted.voice_p", None),
        (EVALUATION, "tuned.judge_voice", "higher"),
        (EVALUATION, "john-silver.tuned_vs_prompted.judge_mean", "higher"),
        (EVALUATION, "tuned_vs_prompted.judge_win_rate", "higher"),
        (EVALUATION, "tuned_vs_prompted.judge_coherence_win_rate", "higher"),
        (EVALUATION, "tuned_vs_prompted.judge_length_controlled_win_rate", "higher"),
        (EVALUATION, "tuned_vs_prompted.judge_voice_p", None),
        (EVALUATION, "judge.consistency_rate", None),
        (EVALUATION, "tuned_vs_prompted.human_win_rate", "higher"),
        (EVALUATION, "tuned_vs_prompted.human_both_bad_rate", "lower"),
        ("metrics/train.json", "best_eval_loss", "lower"),
        ("metrics/train.json", "steps", None),
        ("metrics/answer.json", "tuned.perplexity", None),
    ],
)
def test_it_is_known_which_way_is_better(file: str, metric: str, better: str | None) -> None:
    found = direction(file, metric)
    assert (found and found.better) == better


def test_the_terminal_leaves_out_what_is_the_same_and_what_a_single_character_says_again() -> None:
    figures = interval("tuned.perplexity", 50, 3) | interval("h.tuned.perplexity", 50, 3) | interval("tuned.empty_rate", 0.1, 0.1)
    other = figures | interval("tuned.perplexity", 40, 3) | interval("h.tuned.perplexity", 40, 3)
    lines = told(
        "a", "b", rows(side("a", figures), side("b", other), {"tuned.perplexity": RATIO, "h.tuned.perplexity": RATIO}, 0, {}, 0.95), [], [], ["b"], None, 0
    )
    assert lines[0] == "b against a: of 2 metrics 1 better, 0 worse, of 1 nobody can tell."
    assert lines[1] == "Not b's own figures: it still runs (`dvc queue status`), or was not run as far as evaluate."
    assert lines[3].split() == "better tuned.perplexity 50 -> 40 x0.8 (0.7 to 0.9) [lower is better; bootstrap, n = 40]".split()
    assert lines[4:] == ["The same on both sides: 1 (--json has all)."]


def test_figures_that_are_not_a_sides_own_are_told_of(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("lora_r: 64\n")
    lock = {"stages": {"evaluate": {"params": {"params.yaml": {"lora_r": 16}}, "outs": [{"path": "metrics/evaluate.json", "md5": "e"}]}}}
    (tmp_path / "dvc.lock").write_text(json.dumps(lock))
    one = side("one", {}, folder=tmp_path)
    assert not one.measured()
    (tmp_path / "params.yaml").write_text("lora_r: 16\n")
    assert one.measured() and side("nowhere", {}, folder=tmp_path / "nowhere").measured()


def test_what_differs_and_has_no_better_side_is_listed_apart() -> None:
    a, b = side("a", {"test.chats": 3, "tuned.perplexity": 2, "gold.mean_words": 4}), side("b", {"test.chats": 4, "tuned.perplexity": 1, "new": 1})
    assert unranked(a, b) == [(EVALUATION, "test.chats", 3, 4), (EVALUATION, "gold.mean_words", 4, None), (EVALUATION, "new", None, 1)]


def test_the_spread_of_values_is_their_mean_sample_deviation_and_range() -> None:
    assert noise.spread([1.0, 2.0, 4.0]) == {"values": [1.0, 2.0, 4.0], "mean": 2.333333, "deviation": 1.527525, "range": 3.0}
    with pytest.raises(ValueError, match="one value has no spread"):
        noise.spread([1.0])


def test_a_noise_floor_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "noise.json").write_text('{"seeds": [1]}')
    with pytest.raises(UserError, match="noise.json: found no seeds and ranges of metrics; expected what `python -m benchmarks.noise` writes"):
        noise.read(tmp_path / "noise.json")
    assert noise.read(tmp_path / "none.json") == (0, {})
