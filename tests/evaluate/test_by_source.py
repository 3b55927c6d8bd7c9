"""Perplexity by kind of source, against sums that a hand can do."""

from __future__ import annotations

from math import exp

import pytest

from stages.evaluate import by_source, inputs, scores
from tests.evaluate.sample import ARMS, loss

SETTINGS = scores.Bootstrap(seed=5, bootstrap=500, confidence=0.95)
NATS = {"gold": {"base": 40.0, "prompted": 30.0, "tuned": 20.0}, "book": {"base": 50.0, "prompted": 45.0, "tuned": 44.0}}
KINDS = {f"chat-{n}": "book" if n % 3 == 0 else "gold" for n in range(12)}
LOSSES = inputs.losses([loss(arm, "test", name, NATS[kind][arm] + int(name[5:]) % 2, 10) for name, kind in KINDS.items() for arm in ARMS], "test")


def test_each_kind_has_the_perplexity_of_its_own_chats_and_the_ratio_with_intervals() -> None:
    found = by_source.figures(LOSSES, KINDS, SETTINGS)
    assert (found["test.chats.book"], found["test.chats.gold"]) == (4, 8)
    # Of the four book chats 0, 3, 6 and 9 two are odd, of the eight gold ones four: half a nat more on average.
    assert found["tuned.perplexity.gold"].value == pytest.approx(exp(2.05))
    assert found["tuned.perplexity.book"].value == pytest.approx(exp(4.45))
    assert found["tuned_vs_prompted.perplexity_ratio.gold"].value == pytest.approx(exp(-1.0))
    assert found["tuned_vs_base.perplexity_ratio.book"].value == pytest.approx(exp(-0.6))
    for name in [f"{arm}.perplexity.{kind}" for arm in ARMS for kind in NATS]:
        assert found[name].lower <= found[name].value <= found[name].upper
        assert found[name].lower < found[name].upper


def test_chats_of_one_kind_have_no_figures_of_their_own() -> None:
    assert by_source.figures(LOSSES, dict.fromkeys(KINDS, "gold"), SETTINGS) == {}
