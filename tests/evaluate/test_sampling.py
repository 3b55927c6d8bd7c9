"""Answers drawn more than once: the spread by hand, the stage on such files, and what it says of a bad one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import stdev

import pytest

from stages.answer.__main__ import again
from stages.evaluate.intervals import Estimate
from stages.evaluate.sampling import figures, values
from tests.evaluate.sample import evaluate, lay_out, records

BAD, GOOD = "As an AI, I cannot say.", "Observe the mud, sir."


def drawn(*broken: int) -> dict[str, list[dict]]:
    """The sample, with a later sample for each of `broken`, in which tuned breaks character in so many of the 12 evaluation prompts; in the first it does in none."""
    files = records()
    first = files["data/answers/answers.jsonl"]
    for number, count in enumerate(broken, start=2):
        for line in first:
            place = int(line["id"][-3:]) if line["set"] == "evaluation" and line["arm"] == "tuned" else None
            text = line["answer"] if place is None else BAD if place < count else GOOD
            files["data/answers/samples.jsonl"].append({**line, "answer": text, "sample": number})
    return files


def test_what_is_drawn_again_is_everything_but_the_simulated_conversations() -> None:
    once = [{"set": "evaluation", "id": "a"}, {"set": "talk", "id": "b"}, {"set": "world", "id": "c"}]
    assert [(one["sample"], one["id"]) for one in again(once, 3)] == [(1, "a"), (1, "b"), (1, "c"), (2, "a"), (2, "c"), (3, "a"), (3, "c")]
    assert again(once, 1) == [{"sample": 1, **one} for one in once]


def test_the_spread_is_that_of_the_answers_alone_and_of_what_every_sample_has() -> None:
    samples = [
        {
            "tuned.rate": Estimate(value, 0, 1),
            "tuned.words": value * 2,
            "tuned.perplexity": Estimate(3.0, 2, 4),
            "tuned.world_correct_rate.who": 0.1,
            "test.chats": 5,
            "base.x": 0.1,
        }
        for value in (0.2, 0.4, 0.9)
    ]
    del samples[1]["base.x"]
    assert values(samples) == {"tuned.rate": [0.2, 0.4, 0.9], "tuned.words": [0.4, 0.8, 1.8]}
    assert figures(samples) == {"sampling.samples": 3, "sampling.tuned.rate": stdev([0.2, 0.4, 0.9]), "sampling.tuned.words": stdev([0.4, 0.8, 1.8])}
    assert figures(samples[:1]) == {}


def test_the_stage_tells_the_spread_and_leaves_the_figures_to_the_first_sample(tmp_path: Path) -> None:
    once, thrice = (lay_out(tmp_path / name, files) for name, files in (("once", records()), ("thrice", drawn(3, 6))))
    for folder in (once, thrice):
        assert (run := evaluate(folder)).returncode == 0, run.stderr
    before, after = (json.loads((folder / "metrics/evaluate.json").read_text()) for folder in (once, thrice))
    assert {name: value for name, value in after.items() if not name.startswith("sampling.")} == before
    assert after["sampling.samples"] == 3
    assert after["sampling.tuned.in_character_rate"] == pytest.approx(stdev([1, 9 / 12, 6 / 12]), abs=1e-6)
    assert after["sampling.tuned_vs_prompted.in_character_rate"] == pytest.approx(stdev([4 / 12, 1 / 12, -2 / 12]), abs=1e-6)
    assert after["sampling.prompted.in_character_rate"] == 0 and "sampling.tuned.perplexity" not in after
    page, plain = ((folder / "reports/evaluation.html").read_text() for folder in (thrice, once))
    assert "How much is chance of the draw" in page and "<td>100 %, 75 %, 50 %</td><td>25 %</td>" in page
    assert "How much is chance of the draw" not in plain


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sample": "2"}, r"samples.jsonl:1: sample is '2'; expected a value of type int"),
        ({"sample": 3}, r"sample [23] has other prompts than data/answers/answers.jsonl; run the answer stage again|has no answer by"),
        ({"id": "evaluation-099"}, r"has no answer by"),
    ],
)
def test_samples_that_do_not_fit_the_answers_are_one_sentence(tmp_path: Path, change: dict, sentence: str) -> None:
    files = drawn(3)
    files["data/answers/samples.jsonl"][0] |= change
    run = evaluate(lay_out(tmp_path, files))
    assert run.returncode == 1 and len(run.stderr.splitlines()) == 1
    assert re.search(sentence, run.stderr)


def test_a_sample_that_lacks_a_prompt_is_told_of(tmp_path: Path) -> None:
    files = drawn(3)
    files["data/answers/samples.jsonl"] = [line for line in files["data/answers/samples.jsonl"] if line["id"] != "redteam-003"]
    run = evaluate(lay_out(tmp_path, files))
    assert run.returncode == 1
    assert run.stderr == "error: data/answers/samples.jsonl: sample 2 has other prompts than data/answers/answers.jsonl; run the answer stage again\n"


@pytest.mark.parametrize("number", [1, -7, 4])
def test_the_samples_have_the_numbers_from_two_on(tmp_path: Path, number: int) -> None:
    files = drawn(3)
    for line in files["data/answers/samples.jsonl"]:
        line["sample"] = number
    run = evaluate(lay_out(tmp_path, files))
    assert run.returncode == 1 and f"data/answers/samples.jsonl: found the samples {number}; expected 2, 3 and so on" in run.stderr
