"""Whether paired differences are more than chance: the exact randomisation test of their sum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def sign_flips(differences: Sequence[int]) -> float:
    """How likely a sum as far from 0 as that of these whole differences is, were the sign of each as likely the other: the exact two-sided p-value.

    Fisher 1935, The Design of Experiments, section 21. No distribution is assumed: which answer was A was drawn by lot, so with both as good each sign might have
    been the other. All 2^n flips are counted, by the distribution of their sums: n times the sum of the differences' sizes steps. 1 where all are 0.
    """
    sizes = [abs(one) for one in differences if one]
    reach = sum(sizes)
    chances = np.zeros(2 * reach + 1)  # of each sum from -reach up
    chances[reach] = 1.0
    for size in sizes:
        chances = (np.roll(chances, size) + np.roll(chances, -size)) / 2  # nothing comes round the ends: reach is the sum of all sizes
    sums = np.abs(np.arange(-reach, reach + 1))
    return min(1.0, float(chances[sums >= abs(sum(differences))].sum()))
