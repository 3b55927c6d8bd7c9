"""The bounds between a merged model and base + adapter. tests/weights merges for real; this holds the bounds alone."""

from __future__ import annotations

import math

import pytest

from stages.merge.parity import beyond, compared

BOUNDS = {"max_mean_delta": 0.05, "max_delta": 1.5, "min_top1_agreement": 0.97, "max_perplexity_change": 0.01}
PERPLEXITY = {"adapter_perplexity": 50.0, "merged_perplexity": 50.1, "perplexity_ratio": 1.002}
WELL = {"tokens": 4000, "mean_delta": 0.02, "max_delta": 0.6, "top1_agreement": 0.99, **PERPLEXITY}


def test_figures_within_their_bounds_pass() -> None:
    assert beyond(WELL, BOUNDS) is None


def test_a_figure_on_its_bound_passes() -> None:
    assert beyond(WELL | {"mean_delta": 0.05, "max_delta": 1.5, "top1_agreement": 0.97}, BOUNDS) is None


@pytest.mark.parametrize(
    ("figure", "value", "said"),
    [
        ("mean_delta", 0.0501, "mean |difference| 0.0501 nats, allowed 0.05"),
        ("max_delta", 1.51, "largest |difference| 1.51 nats, allowed 1.5"),
        ("top1_agreement", 0.9699, "same first token at 0.9699 of all tokens, at least 0.97"),
        ("perplexity_ratio", 1.0101, "perplexity 50.1 for 50.0, a change of 1.01%, allowed 1.00%"),
        ("perplexity_ratio", 0.98, "perplexity 50.1 for 50.0, a change of 2.00%, allowed 1.00%"),
    ],
)
def test_a_figure_beyond_its_bound_is_told_with_figure_and_bound_and_alone(figure: str, value: float, said: str) -> None:
    assert beyond(WELL | {figure: value}, BOUNDS) == said


def test_all_figures_beyond_their_bounds_are_told() -> None:
    said = beyond({"mean_delta": 4.0, "max_delta": 20.0, "top1_agreement": 0.1, **PERPLEXITY, "perplexity_ratio": 50.0}, BOUNDS)
    assert said.count("; ") == 3 and "4.0" in said and "20.0" in said and "0.1 of" in said


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("figure", ["mean_delta", "max_delta", "perplexity_ratio"])
def test_a_difference_that_is_no_number_never_passes(figure: str, bad: float) -> None:
    assert str(bad) in beyond(WELL | {figure: bad}, BOUNDS)


def test_an_agreement_that_is_no_number_never_passes() -> None:
    assert "nan" in beyond(WELL | {"top1_agreement": math.nan}, BOUNDS)


def test_figures_that_are_all_no_numbers_break_all_bounds_however_wide() -> None:
    said = beyond(dict.fromkeys(WELL, math.nan), dict.fromkeys(BOUNDS, math.inf) | {"min_top1_agreement": -math.inf})
    assert said.count("; ") == 3


@pytest.mark.parametrize(
    ("limit", "expected"), [(None, list(range(10))), (20, list(range(10))), (10, list(range(10))), (3, [0, 3, 6]), (4, [0, 2, 5, 7]), (1, [0])]
)
def test_the_compared_chats_stand_evenly_over_the_split(limit: int | None, expected: list[int]) -> None:
    assert [chat["id"] for chat in compared([{"id": number} for number in range(10)], limit)] == expected
