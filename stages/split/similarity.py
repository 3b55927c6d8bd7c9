"""All pairs of chats of two sets whose Jaccard similarity reaches a bound, exactly, without looking at all pairs.

Prefix filtering (Bayardo, Ma, Srikant 2007, "Scaling up all pairs similarity search"; Xiao et al. 2008, "Efficient similarity joins for near duplicate
detection", PPJoin): with the members of all sets in one order, two sets x and y of similarity t or more share one of the first |x| - ceil(t |x|) + 1 members of
x and of the first |y| - ceil(t |y|) + 1 of y, for the one has ceil(t |x|) members or more in common with the other. The rarest come first, so that few pairs
share one. What is left is counted. Of members that stand on one side alone (meeting.crossing) only the number matters.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from stages.common.shingles import distinct
from stages.split.columns import Ragged
from stages.split.meeting import places_of


class Sets(NamedTuple):
    """Sets of 32-bit hashes, one a chat: the members of each that others may have, in order and rarest first, and how many it has in all."""

    sorted: Ragged
    rare: Ragged
    sizes: np.ndarray


CHATS = 1 << 14  # put in order at once: 14 bits of a sorting key
COMMONEST = (1 << 18) - 1  # 18 more bits; what is more frequent is put in the order of its hash
COUNTER_BITS = 22  # frequencies are counted by so many first bits of the hash: any one order will do
PAIRS = 1 << 22  # candidates listed at once
CHECKED = 1 << 13  # pairs counted at once: about 40 MB
LEVELS = (0.6, 0.4, 0.3, 0.2, 0.1, 0.0)  # bounds at which the highest similarity is looked for, one after the other
# What one bound may cost before the search for the highest ends, about a second each: candidates, and members of all prefixes.
MOST_CANDIDATES = 20_000
MOST_MEMBERS = 5_000_000


def rarest_first(column: Ragged, sizes: np.ndarray) -> Sets:
    """The sets of a column, whose members are in order, and the same in the order of their frequency in all sets.

    Where members that no two sets share have been left out of the column, `sizes` counts them all the same.
    """
    counter = np.zeros(1 << COUNTER_BITS, np.int64)
    shift = np.uint32(32 - COUNTER_BITS)
    for first in range(0, len(column.values), PAIRS):
        counter += np.bincount(column.values[first : first + PAIRS] >> shift, minlength=len(counter))
    frequency = np.minimum(counter, COMMONEST).astype(np.uint64)
    found = np.empty_like(column.values)
    for first in range(0, len(column.lengths), CHATS):
        begin, end = column.starts[first], column.starts[min(first + CHATS, len(column.lengths))]
        values = column.values[begin:end]
        chats = np.repeat(np.arange(len(column.lengths[first : first + CHATS]), dtype=np.uint64), column.lengths[first : first + CHATS])
        keys = (chats << np.uint64(50)) | (frequency[values >> shift] << np.uint64(32)) | values
        keys.sort()
        found[begin:end] = keys.astype(np.uint32)
    return Sets(column, Ragged(found, column.starts), sizes)


def alike(sets: Sets, ones: np.ndarray, others: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(chats of the mask `ones`, chats of the mask `others`, their similarity) of all pairs with a member in common and a similarity of `least` or more."""
    return _pairs(sets, _meetings(_prefixes(sets, ones, least), _prefixes(sets, others, least)), least)


def highest(sets: Sets, ones: np.ndarray, others: np.ndarray, below: float) -> tuple[float, float]:
    """(the highest similarity of a chat of `ones` and one of `others`, none of which are alike by `below`; the bound down to which was searched).

    It is exact where it is above the second figure. Where the two are equal it is that at most: of many large sets it would take long to find a low one.
    """
    searched = below
    for level in (level for level in LEVELS if level < below):
        one, other = _prefixes(sets, ones, level), _prefixes(sets, others, level)
        if len(one[0]) + len(other[0]) > MOST_MEMBERS:
            break
        meetings = _meetings(one, other)
        if (meetings.high - meetings.low).sum() > MOST_CANDIDATES:
            break
        searched = level
        if len(found := _pairs(sets, meetings, level)[2]):
            return float(found.max()), level
    return searched, searched


class _Meetings(NamedTuple):
    """Entries low[i] up to high[i] of `one` have a member in common with entry i of `other`; both hold chats."""

    one: np.ndarray
    other: np.ndarray
    low: np.ndarray
    high: np.ndarray


def _meetings(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> _Meetings:
    """Where two sides, each as (members, their chats), meet."""
    keys = np.sort((one[0].astype(np.uint64) << np.uint64(32)) | one[1].astype(np.uint64))
    members = (keys >> np.uint64(32)).astype(np.uint32)
    kept = places_of(Ragged(other[0], np.array([0, len(other[0])])), np.ones(1, bool), distinct(members))
    low, high = (np.searchsorted(members, other[0][kept], side=side) for side in ("left", "right"))
    return _Meetings(keys & np.uint64(0xFFFFFFFF), other[1][kept].astype(np.uint64), low, high)


def _pairs(sets: Sets, meetings: _Meetings, least: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = [_checked(sets, pairs, least) for pairs in _candidates(meetings)]
    pairs, first = np.unique(np.concatenate([np.zeros(0, np.uint64), *(pairs for pairs, _ in found)]), return_index=True)
    similar = np.concatenate([np.zeros(0), *(similar for _, similar in found)])[first]
    return (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64), similar


def _prefixes(sets: Sets, chats: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """(members, chats) of the first members of each chat, as many as the bound needs; none of one whose shared members are too few to reach it."""
    lengths = sets.rare.lengths
    # 1e-9: 0.7 x 10 is more than 7 in floating point, and a prefix may be too long but not too short.
    counts = np.minimum(lengths, lengths - np.ceil(least * sets.sizes - 1e-9).astype(np.int64) + 1)
    numbers = np.flatnonzero(chats & (counts > 0))
    return sets.rare.values[_ranges(sets.rare.starts[numbers], counts[numbers])], np.repeat(numbers, counts[numbers])


def _ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """start, start + 1, ... of each range, one after the other."""
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(counts.sum())


def _candidates(meetings: _Meetings) -> Iterator[np.ndarray]:
    """Different pairs of chats that meet, as the one << 32 | the other; a pair may come again later."""
    each = meetings.high - meetings.low
    ends = np.cumsum(each)
    first = 0
    while first < len(ends):
        done = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + PAIRS, side="right")))
        counts = each[first:last]
        one = meetings.one[_ranges(meetings.low[first:last], counts)]
        yield distinct((one << np.uint64(32)) | np.repeat(meetings.other[first:last], counts))
        first = last


def _checked(sets: Sets, pairs: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """(pairs, similarities) of the pairs that reach the bound."""
    found, similar, lengths = [np.zeros(0, np.uint64)], [np.zeros(0)], sets.sizes
    for first in range(0, len(pairs), CHECKED):
        some = pairs[first : first + CHECKED]
        both = [(some >> np.uint64(32)).astype(np.int64), (some & np.uint64(0xFFFFFFFF)).astype(np.int64)]
        sizes = [lengths[numbers] for numbers in both]
        may = np.minimum(*sizes) >= least * np.maximum(*sizes) - 1e-9
        some, both, sizes = some[may], [numbers[may] for numbers in both], [size[may] for size in sizes]
        place, column = np.arange(len(some), dtype=np.uint64) << np.uint64(32), sets.sorted
        inside = [column.lengths[numbers] for numbers in both]
        keys = np.concatenate(
            [np.repeat(place, count) | column.values[_ranges(column.starts[numbers], count)] for numbers, count in zip(both, inside, strict=True)]
        )
        keys.sort(kind="stable")  # two runs, each in order: Timsort merges them
        twice = keys[1:][keys[1:] == keys[:-1]]
        common = np.bincount((twice >> np.uint64(32)).astype(np.int64), minlength=len(some))
        jaccard = common / (sizes[0] + sizes[1] - common)
        reached = (jaccard >= least - 1e-12) & (common > 0)
        found.append(some[reached])
        similar.append(jaccard[reached])
    return np.concatenate(found), np.concatenate(similar)
