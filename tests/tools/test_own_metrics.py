"""Which metrics of an experiment are its own, by its dvc.lock and its parameters."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest

from stages.common.errors import UserError
from tests.tools.test_sweep import EVALUATE, experiment
from tools.own_metrics import foreign
from tools.sweep.points import sweep

PARAMS = {"lora_r": 16, "split": {"limit": None}, "evaluate": {"gate": [{"metric": "x", "max": 1}]}}
LOCK = {
    "stages": {
        "split": {
            "cmd": "s",
            "params": {"params.yaml": {"split.limit": None}},
            "outs": [{"path": "data", "hash": "md5", "md5": "d.dir"}, {"path": "metrics/split.json", "hash": "md5", "md5": "s"}],
        },
        "train": {
            "cmd": "t",
            "deps": [{"path": "data/train.jsonl", "hash": "md5", "md5": "one file"}, {"path": "stages/train", "hash": "md5", "md5": "code"}],
            "params": {"params.yaml": {"lora_r": 16}},
            "outs": [{"path": "model", "hash": "md5", "md5": "m"}],
        },
        "evaluate": {
            "cmd": "e",
            "deps": [{"path": "model", "hash": "md5", "md5": "m"}],
            "params": {"params.yaml": {"evaluate": {"gate": [{"metric": "x", "max": 1}]}}},
            "outs": [{"path": EVALUATE, "hash": "md5", "md5": "e"}],
        },
    }
}


def test_what_ran_with_its_parameters_on_what_came_before_is_its_own() -> None:
    assert foreign(LOCK, PARAMS) == frozenset() == foreign({}, PARAMS)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"split": {"limit": 50}}, {"data", "metrics/split.json", "model", EVALUATE}),
        ({"split": {}}, set()),  # null, or not there
        ({"lora_r": 64}, {"model", EVALUATE}),
        ({"evaluate": {"gate": []}}, {EVALUATE}),
        ({"something": "else"}, set()),
    ],
)
def test_of_other_parameters_than_the_locks_nothing_is_that_comes_after_them(params: dict, expected: set[str]) -> None:
    assert foreign(LOCK, {**PARAMS, **params}) == expected


def test_what_was_made_from_another_model_is_another_models() -> None:
    lock = deepcopy(LOCK)
    lock["stages"]["train"]["outs"][0]["md5"] = "trained anew"
    assert foreign(lock, PARAMS) == {EVALUATE}


def test_where_nothing_but_unmeasured_experiments_is_left_they_are_named() -> None:
    running = replace(experiment("running", 50.0, lora_r=64), foreign=frozenset({EVALUATE}))
    with pytest.raises(UserError, match="metrics/evaluate.json of running is not theirs: they still run"):
        sweep([experiment("main", 50.0), running], "tuned.perplexity", "lora_r", {})
    found = sweep([experiment("main", 50.0), experiment("thin", 52.0, lora_r=4), running], "tuned.perplexity", "lora_r", {})
    assert [point.value for point in found.points] == [4, 16] and found.unmeasured == ["running"] and not found.others
