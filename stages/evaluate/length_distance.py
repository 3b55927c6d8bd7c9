"""How differently long an arm's replies are from the gold's: not their means, which long and short ones together can hit, but all of their lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from stages.common.chats import words
from stages.evaluate.equal_words import Replies
from stages.evaluate.intervals import Estimate
from stages.evaluate.resampling import around, in_blocks, weights


def wasserstein(one: Sequence[float], other: Sequence[float]) -> float:
    """The first Wasserstein distance of two samples, in their unit: by how much their values must be moved, on average, to make one of the other.

    On a line it is the area between the two distribution functions (Vallender 1974, https://doi.org/10.1137/1118101). Raises ValueError for an empty sample.
    """
    if not len(one) or not len(other):
        raise ValueError("the distance from an empty sample is not defined")
    grid = np.unique(np.concatenate([one, other]))
    return float(_area(_histogram(one, grid), _histogram(other, grid), grid))


def figures(
    said: Mapping[str, Replies],
    characters: Sequence[str],
    gold: Mapping[str, Replies],
    generator: np.random.Generator,
    resamples: int,
    confidence: float,
) -> dict[str, Estimate]:
    """`ARM.length_distance`, words, and `tuned_vs_prompted.length_distance`, below 0 where tuned's lengths are nearer the gold's.

    Words are counted by white space, as in `ARM.mean_words`. Each character's replies are held against the character's own gold chats of the test split, and
    the distances averaged by prompts. Interval: bootstrap by prompt, the same for all arms, and by gold chat; it does not go below 0 for a distance. Empty where
    nothing was asked. Raises ValueError where a character is asked and has no gold.
    """
    arms, names = list(said), sorted(set(characters))
    if not names:
        return {}
    value, samples = np.zeros(len(arms)), np.zeros((resamples, len(arms)))
    for name in names:
        own = [[words(reply) for reply in replies] for replies in gold.get(name, [])]
        asked = [[[words(reply) for reply in said[arm][place]] for place, whose in enumerate(characters) if whose == name] for arm in arms]
        if not any(own):
            raise ValueError(f"{name} is asked and has no gold")
        grid = np.unique([count for prompts in [own, *asked] for replies in prompts for count in replies])
        chats = np.array([_histogram(replies, grid) for replies in own])
        counts = np.array([[_histogram(replies, grid) for replies in prompts] for prompts in asked])
        share = counts.shape[1] / len(characters)
        value += share * _area(counts.sum(axis=1), chats.sum(axis=0), grid)
        samples += share * _bootstrap(counts, chats, grid, generator, resamples)
    result = {}
    for place, arm in enumerate(arms):
        found = around(value[place], samples[:, place], confidence)
        result[f"{arm}.length_distance"] = Estimate(found.value, max(found.lower, 0.0), found.upper)
    if {"tuned", "prompted"} <= set(arms):
        tuned, prompted = arms.index("tuned"), arms.index("prompted")
        result["tuned_vs_prompted.length_distance"] = around(value[tuned] - value[prompted], samples[:, tuned] - samples[:, prompted], confidence)
    return result


def _bootstrap(counts: np.ndarray, chats: np.ndarray, grid: np.ndarray, generator: np.random.Generator, resamples: int) -> np.ndarray:
    """The arms' distances in bootstrap samples of prompts and of gold chats: shape (resamples, arms)."""
    arms, prompts, width = counts.shape

    def draw(samples: int) -> np.ndarray:
        drawn = (weights(prompts, samples, generator) @ counts.transpose(1, 0, 2).reshape(prompts, arms * width)).reshape(samples, arms, width)
        return _area(drawn, (weights(len(chats), samples, generator) @ chats)[:, None], grid)

    return in_blocks(resamples, draw)


def _histogram(values: Sequence[float], grid: np.ndarray) -> np.ndarray:
    return np.bincount(np.searchsorted(grid, values), minlength=len(grid)).astype(float)


def _area(one: np.ndarray, other: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """The area between the distribution functions of histograms over the places of `grid`, along the last axis."""
    functions = [np.cumsum(counts, axis=-1) / counts.sum(axis=-1, keepdims=True) for counts in (one, other)]
    return (np.abs(functions[0] - functions[1])[..., :-1] * np.diff(grid)).sum(axis=-1)
