"""Which chats have a hash in common with chats of another set, exactly, for columns of a hundred million hashes."""

from __future__ import annotations

import numpy as np

from stages.common.shingles import distinct
from stages.split.columns import Ragged

AT_ONCE = 1 << 20  # hashes that are looked up in one step: 30 MB
TABLE_BITS = 28  # at most: 268 MB
OTHER_BITS = 0x9E3779B1  # odd: times this, a hash has other first bits (Knuth's multiplicative hashing, by the golden ratio)


def values_of(column: Ragged, chats: np.ndarray) -> np.ndarray:
    """The different values of some chats, a mask, in order."""
    return distinct(column.values[np.repeat(chats, column.lengths)])


def places_of(column: Ragged, chats: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The places in a column at which some chats, a mask, have one of the `wanted` values, which are different and in order.

    A table of their first bits, eight times as many as they are, refuses most others at once; searching is for what passes it.
    """
    if not len(wanted):
        return np.zeros(0, np.int64)
    shift, size = _shift(column, len(wanted))
    table = np.zeros(size, bool)
    table[wanted >> shift] = True
    asked, found = np.repeat(chats, column.lengths), []
    for first in range(0, len(column.values), AT_ONCE):
        places = first + np.flatnonzero(asked[first : first + AT_ONCE])
        values = column.values[places]
        may = table[values >> shift]
        places, values = places[may], values[may]
        near = np.minimum(np.searchsorted(wanted, values), len(wanted) - 1)
        found.append(places[wanted[near] == values])
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def crossing(column: Ragged, homes: np.ndarray) -> Ragged:
    """The column with those values that may stand in chats of more than one home, numbers from 0 to 7: no others can be shared, and most cannot.

    A table of their first bits says in which homes each stands. Few of those that are left stand in one alone, with the first bits of another; of so many that
    the table is crowded they are more, and are looked at once more, by other bits.
    """
    crowded = len(column.values) > 1 << TABLE_BITS - 3
    found = _crossing(column, homes, 1)
    return _crossing(found, homes, OTHER_BITS) if crowded else found


def _crossing(column: Ragged, homes: np.ndarray, mix: int) -> Ragged:
    shift, size = _shift(column, len(column.values))
    table, odd = np.zeros(size, np.uint8), column.values.dtype.type(mix)
    bits = np.left_shift(1, homes, dtype=np.uint8)
    owners, kinds = np.repeat(bits, column.lengths), np.unique(bits)

    def slots(first: int) -> np.ndarray:
        return (column.values[first : first + AT_ONCE] * odd) >> shift

    for first in range(0, len(column.values), AT_ONCE):
        own, there = owners[first : first + AT_ONCE], slots(first)
        for bit in kinds:
            table[there[own == bit]] |= bit
    several = np.bitwise_count(np.arange(256, dtype=np.uint8)) > 1
    kept = [first + np.flatnonzero(several[table[slots(first)]]) for first in range(0, len(column.values), AT_ONCE)]
    places = np.concatenate([np.zeros(0, np.int64), *kept])
    return Ragged(column.values[places], np.searchsorted(places, column.starts))


def _shift(column: Ragged, count: int) -> tuple[np.unsignedinteger, int]:
    """(by how much to shift a hash of the column for its place in a table of `count` of them, eight times as long if that is not too long; its length)."""
    bits = min(TABLE_BITS, count.bit_length() + 3)
    return column.values.dtype.type(8 * column.values.itemsize - bits), 1 << bits


def met(column: Ragged, chats: np.ndarray, held: np.ndarray, but: np.ndarray | None = None) -> dict[int, int]:
    """{each chat of the mask `chats` that has a value in common with one of the mask `held`: the first of those that have the first such value}.

    Values in `but` do not count.
    """
    places = places_of(column, chats, _without(values_of(column, held), but))
    owners, first = np.unique(column.owners(places), return_index=True)
    values = column.values[places[first]]
    there = places_of(column, held, distinct(values))
    named, first = np.unique(column.values[there], return_index=True)
    others = column.owners(there[first])[np.searchsorted(named, values)] if len(values) else np.zeros(0, np.int64)
    return dict(zip(owners.tolist(), others.tolist(), strict=True))


def shared(column: Ragged, chats: np.ndarray, held: np.ndarray, but: np.ndarray | None = None) -> np.ndarray:
    """The values that chats of both masks have, but those in `but`."""
    places = places_of(column, chats, _without(values_of(column, held), but))
    return distinct(column.values[places])


def in_more_than(column: Ragged, chats: np.ndarray, wanted: np.ndarray, bound: int, groups: np.ndarray) -> np.ndarray:
    """Those of the `wanted` values, different and in order, that stand in chats of more than `bound` groups, of the chats of the mask `chats`."""
    places = places_of(column, chats, wanted)
    whose, values = groups[column.owners(places)], column.values[places]
    order = np.lexsort((whose, values))
    whose, values = whose[order], values[order]
    new = np.ones(len(values), bool)
    new[1:] = (values[1:] != values[:-1]) | (whose[1:] != whose[:-1])
    found, counts = np.unique(values[new], return_counts=True)
    return found[counts > bound]


def _without(values: np.ndarray, but: np.ndarray | None) -> np.ndarray:
    return values if but is None or not len(but) else np.setdiff1d(values, but, assume_unique=True)
