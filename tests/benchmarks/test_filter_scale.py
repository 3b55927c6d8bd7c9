"""How the measurement of stage filter counts what was found, and what a command's processes hold."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from benchmarks import planted, process_tree
from benchmarks.filter_scale import score
from benchmarks.planted import EXACT, MISS, NEAR, Plan
from stages.common.errors import UserError

PLAN = planted.plan(300)
ALIKE = np.array([planted.similarity(PLAN, number, int(PLAN.original[number])) for number in range(len(PLAN))])
NOBODY = np.zeros(len(PLAN), bool)


def all_but_one_of_each(plan: Plan) -> np.ndarray:
    """The copies, which a perfect filter drops where the originals stay."""
    return (plan.kind == EXACT) | (plan.kind == NEAR)


def test_to_drop_every_planted_copy_is_perfect():
    found = score(PLAN, ALIKE, all_but_one_of_each(PLAN), NOBODY)
    assert (found.pairs, found.recall, found.dropped, found.precision) == (90, 1.0, 90, 1.0)


def test_a_copy_that_is_kept_beside_its_original_lowers_the_recall():
    dropped = all_but_one_of_each(PLAN)
    dropped[np.flatnonzero(dropped)[:9]] = False
    assert score(PLAN, ALIKE, dropped, NOBODY).recall == pytest.approx(0.9)


def test_near_misses_and_strangers_that_are_dropped_lower_the_precision():
    dropped = all_but_one_of_each(PLAN)
    dropped[np.flatnonzero(PLAN.kind == MISS)[0]] = True
    assert score(PLAN, ALIKE, dropped, NOBODY).precision == pytest.approx(90 / 91)
    alone = next(number for number in range(len(PLAN)) if np.count_nonzero(PLAN.original == number) == 1)
    dropped[alone] = True
    assert score(PLAN, ALIKE, dropped, NOBODY).precision == pytest.approx(90 / 92)


def test_who_drops_a_whole_family_is_right_in_nothing():
    original = int(PLAN.original[np.flatnonzero(PLAN.kind == NEAR)[0]])
    found = score(PLAN, ALIKE, PLAN.original == original, NOBODY)
    assert found.precision == 0.0 and found.dropped >= 2


def test_of_two_copies_one_is_right_to_go_only_if_it_is_alike_to_the_other():
    """Here the original is gone, so that the copies are compared with each other."""
    pairs = [(made, original) for original, made in planted.families(PLAN) if len(made) == 2]
    for (one, other), original in pairs:
        dropped, gone = NOBODY.copy(), NOBODY.copy()
        dropped[one], gone[original] = True, True
        assert score(PLAN, ALIKE, dropped, gone).precision == float(planted.similarity(PLAN, one, other) >= 0.8)
    assert {planted.similarity(PLAN, *made) >= 0.8 for made, _ in pairs} == {True, False}


def test_a_pair_of_which_another_rule_took_one_does_not_count():
    gone = NOBODY.copy()
    gone[np.flatnonzero(PLAN.kind == NEAR)[0]] = True
    found = score(PLAN, ALIKE, all_but_one_of_each(PLAN) & ~gone, gone)
    assert found.pairs == 89 and found.recall == 1.0


def test_memory_is_that_of_all_processes_together(tmp_path):
    hold = "import time; kept = bytearray(60 << 20); time.sleep(1.5)"
    code = f"import subprocess, sys; [p.wait() for p in [subprocess.Popen([sys.executable, '-c', {hold!r}]) for _ in range(3)]]"
    ours = bytearray(400 << 20)  # what the measuring process holds itself counts for nothing
    cost = process_tree.measure([sys.executable, "-c", code], tmp_path)
    del ours
    assert 180 < cost.mib < 300
    assert 1.5 < cost.seconds < 15
    assert 0 < cost.core_seconds < cost.seconds


def test_a_command_that_fails_says_what_it_said(tmp_path):
    with pytest.raises(UserError, match="status 3: no such chat"):
        process_tree.measure([sys.executable, "-c", "import sys; print('no such chat'); sys.exit(3)"], tmp_path)
