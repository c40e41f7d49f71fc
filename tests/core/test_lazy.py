"""Lazy sequences behave like lists, in memory and in a temporary file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core import lazy
from harness.core.lazy import LazyMap, LazySubset, Spool


def spool(rows: list[bytes]) -> Spool:
    filled = Spool()
    for row in rows:
        filled.append(row)
    return filled


@pytest.fixture(params=[0, 1_000_000], ids=["file", "memory"])
def _storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lazy, "IN_MEMORY", request.param)


@pytest.mark.usefixtures("_storage")
def test_a_lazy_map_equals_the_mapped_list() -> None:
    rows = [str(n).encode() for n in range(3 * lazy.ROWS_PER_READ + 1)]
    numbers = LazyMap(spool(rows), int)
    assert list(numbers) == list(range(len(rows)))
    assert (len(numbers), numbers[0], numbers[-1]) == (len(rows), 0, len(rows) - 1)
    assert list(numbers[5:300:7]) == list(range(5, 300, 7))


@given(st.lists(st.integers(0, 9), max_size=30))
def test_a_lazy_subset_follows_its_indices(indices: list[int]) -> None:
    numbers = LazyMap(spool([str(n).encode() for n in range(10)]), int)
    assert list(LazySubset(numbers, indices)) == indices
    assert list(LazySubset(list(range(10)), indices)) == indices


def test_consecutive_indices_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = spool([str(n).encode() for n in range(10)])
    reads: list[tuple[int, int]] = []
    read = rows.read
    monkeypatch.setattr(rows, "read", lambda start, stop: reads.append((start, stop)) or read(start, stop))
    assert list(LazySubset(LazyMap(rows, int), range(2, 6))) == [2, 3, 4, 5]
    assert reads == [(2, 6)]


def test_an_index_out_of_range_raises_index_error() -> None:
    with pytest.raises(IndexError):
        LazyMap(spool([b"1"]), int)[1]


def test_items_are_made_on_every_access() -> None:
    made: list[bytes] = []
    items = LazyMap(spool([b"a", b"b"]), lambda row: made.append(row) or row)
    assert made == []
    assert (items[1], items[1]) == (b"b", b"b")
    assert made == [b"b", b"b"]
