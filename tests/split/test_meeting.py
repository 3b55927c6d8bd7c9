"""What may be shared is kept, whatever the size of the table, and of what cannot be shared hardly anything."""

from __future__ import annotations

import numpy as np
import pytest

from stages.split import meeting
from stages.split.columns import Ragged
from stages.split.meeting import crossing


def column(dtype: type, seed: int, chats: int = 400, each: int = 50) -> tuple[Ragged, np.ndarray]:
    """Chats of three homes with drawn values, and a hundred values that many of them have."""
    draw = np.random.default_rng(seed)
    values = draw.integers(0, np.iinfo(dtype).max, chats * each, dtype)
    values[:: each // 2] = draw.choice(values[:100], len(values[:: each // 2]))
    return Ragged(values, np.arange(0, len(values) + 1, each)), draw.choice(3, chats, p=[0.7, 0.1, 0.2]).astype(np.uint8)


def shared(found: Ragged, homes: np.ndarray) -> list[set[int]]:
    """The values of each chat that a chat of another home has too, by the plain way."""
    own = [set(found.of(number).tolist()) for number in range(len(homes))]
    there = [set().union(*(own[number] for number in np.flatnonzero(homes != home))) for home in range(3)]
    return [values & there[homes[number]] for number, values in enumerate(own)]


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
@pytest.mark.parametrize("bits", [8, 12, 16, 28])
def test_no_value_that_two_homes_share_is_lost_however_crowded_the_table(monkeypatch, dtype: type, bits: int) -> None:
    monkeypatch.setattr(meeting, "TABLE_BITS", bits)
    monkeypatch.setattr(meeting, "AT_ONCE", 1 << 10)
    found, homes = column(dtype, bits)
    left = crossing(found, homes)
    for number, values in enumerate(shared(found, homes)):
        assert values <= set(left.of(number).tolist()) <= set(found.of(number).tolist())


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
def test_of_what_one_home_has_alone_little_is_left_also_where_the_table_is_crowded(monkeypatch, dtype: type) -> None:
    found, homes = column(dtype, 1)
    needed = sum(map(len, shared(found, homes)))
    assert len(crossing(found, homes).values) < 3 * needed
    monkeypatch.setattr(meeting, "TABLE_BITS", 14)  # 20,000 values for 16,000 places
    assert len(crossing(found, homes).values) < 6 * needed
