"""What chance allows, against the binomial distribution summed up in whole numbers."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest

from stages.split.shares import counts, expected, told
from tests.chats import make_chat, plain_chat
from tests.split.table import table


@pytest.mark.parametrize("trials", [0, 1, 2, 7, 30, 171, 400])
@pytest.mark.parametrize("share", [0.05, 0.1, 0.2, 0.4])
def test_the_ends_are_the_exact_quantiles(trials: int, share: float) -> None:
    p, sums, total = Fraction(share), [], Fraction(0)
    for count in range(trials + 1):
        total += comb(trials, count) * p**count * (1 - p) ** (trials - count)
        sums.append(total)
    low = next(count for count, below in enumerate(sums) if below > Fraction(1, 40))
    high = next(count for count, below in enumerate(sums) if below >= Fraction(39, 40))
    assert expected(trials, share) == (pytest.approx(trials * share), low, high)


def test_a_million_groups_are_counted_in_a_moment() -> None:
    mean, low, high = expected(1_000_000, 0.2)
    assert (mean, low, high) == (pytest.approx(200_000), pytest.approx(200_000 - 784, abs=1), pytest.approx(200_000 + 784, abs=1))


def test_a_group_counts_once_and_synthetic_chats_not_at_all() -> None:
    logs = [make_chat(f"Number {n}?", "The verger.", kind="log", consent=True, group=f"{n // 4:016x}") for n in range(40)]
    found = table([*logs, *(plain_chat(n) for n in range(30)), *(plain_chat(n, kind="synthetic") for n in range(50))])
    assert counts(found, found.home >= 0, 0.1, 0.2)["groups"] == 10 + 30


def test_few_test_chats_and_shares_that_chance_does_not_explain_are_told() -> None:
    found = table([plain_chat(n) for n in range(200)])
    figures = counts(found, found.home >= 0, 0.1, 0.2)
    assert figures["groups_test"] == figures["test_sherlock-holmes"] > 15
    assert figures["groups_test_lower"] <= figures["groups_test"] <= figures["groups_test_upper"]
    assert told(found.characters, figures) == []
    assert told(found.characters, figures | {"test_sherlock-holmes": 14, "groups_test": 0}) == [
        "0 of 200 groups fell to test, where 40 were expected and 29 to 51 are usual (95 %); of chats alike filter keeps the held-out one",
        "sherlock-holmes has 14 test chats, fewer than 15: figures over them will have wide intervals",
    ]
