"""The intervals of figures that grow with chance, against their formulas and against what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from stages.evaluate.intervals import Estimate
from stages.evaluate.resampling import BLOCK, around, in_blocks, jackknife, weights


def test_a_bootstrap_sample_has_as_many_rows_as_there_are_each_as_likely() -> None:
    drawn = weights(5, 4000, np.random.default_rng(0))
    assert drawn.shape == (4000, 5) and (drawn.sum(axis=1) == 5).all()
    assert drawn.mean(axis=0) == pytest.approx(np.ones(5), abs=0.06)
    assert (drawn == 0).mean() == pytest.approx((4 / 5) ** 5, abs=0.02)


def test_samples_come_in_blocks_and_all_of_them_come() -> None:
    asked: list[int] = []

    def draw(samples: int) -> np.ndarray:
        asked.append(samples)
        return np.full(samples, len(asked))

    assert len(in_blocks(2 * BLOCK + 7, draw)) == 2 * BLOCK + 7
    assert asked == [BLOCK, BLOCK, 7]


def test_an_interval_is_moved_by_what_the_resampling_adds() -> None:
    samples = np.arange(101) / 100 + 5  # 5 to 6, mean 5.5
    assert around(2.0, samples, 0.9) == Estimate(2.0, pytest.approx(2 - 0.45), pytest.approx(2 + 0.45))


def test_the_jackknife_of_a_mean_is_its_textbook_interval() -> None:
    values = np.array([1.0, 2.0, 4.0, 9.0])
    without = (values.sum() - values) / 3
    half = 1.959964 * values.std(ddof=1) / 2  # 1.96 standard errors
    assert jackknife(4.0, without, 0.95) == Estimate(4.0, pytest.approx(4 - half, abs=1e-5), pytest.approx(4 + half, abs=1e-5))
