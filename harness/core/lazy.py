"""Sequences that need not fit into memory: a million golden cases are read from a temporary file.

rows = Spool()                        rows of bytes, by index
cases = LazyMap(rows, make)           `make(row)` for each row, computed on access
subset = LazySubset(cases, indices)   the items at `indices`, in that order
"""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from threading import Lock
from typing import Generic, TypeVar, overload

T = TypeVar("T")

IN_MEMORY = 32_000_000
"""Rows go to a temporary file beyond this number of bytes."""
ROWS_PER_READ = 256
"""Rows read at a time during iteration."""


class Spool:
    """Rows of bytes, in memory if few, in a temporary file if many. Readable from several threads."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  it lives as long as the spool
        self._ends = array("Q", [0])
        self._lock = Lock()

    def append(self, row: bytes) -> None:
        """Append a row. All rows must be appended before the first is read."""
        self._file.write(row)
        self._ends.append(self._ends[-1] + len(row))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def read(self, start: int, stop: int) -> list[bytes]:
        """Return the rows from `start` to `stop`, `stop` excluded."""
        first, last = self._ends[start], self._ends[stop]
        with self._lock:
            self._file.seek(first)
            block = self._file.read(last - first)
        ends = (end - first for end in self._ends[start : stop + 1])
        begin = next(ends)
        rows = []
        for end in ends:
            rows.append(block[begin:end])
            begin = end
        return rows


class _LazySequence(Sequence[T], Generic[T]):
    """A sequence whose items are computed on access."""

    @abstractmethod
    def read_range(self, start: int, stop: int) -> Iterable[T]:
        """Return the items from `start` to `stop`, `stop` excluded."""

    def __iter__(self) -> Iterator[T]:
        for start in range(0, len(self), ROWS_PER_READ):
            yield from self.read_range(start, min(start + ROWS_PER_READ, len(self)))

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return LazySubset(self, range(*index.indices(len(self))))
        position = range(len(self))[index]
        return next(iter(self.read_range(position, position + 1)))


class LazyMap(_LazySequence[T]):
    """`make(row)` for each row of a spool."""

    def __init__(self, rows: Spool, make: Callable[[bytes], T]) -> None:
        self._rows = rows
        self._make = make

    def __len__(self) -> int:
        return len(self._rows)

    def read_range(self, start: int, stop: int) -> Iterable[T]:
        """Return the items of a range with a single read."""
        return map(self._make, self._rows.read(start, stop))


class LazySubset(_LazySequence[T]):
    """The items of another sequence at `indices`, in that order."""

    def __init__(self, items: Sequence[T], indices: Sequence[int]) -> None:
        self._items = items
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def read_range(self, start: int, stop: int) -> Iterable[T]:
        """Return the items of a range, with a single read if the indices are consecutive."""
        indices = self._indices[start:stop]
        if isinstance(self._items, _LazySequence) and all(b - a == 1 for a, b in pairwise(indices)):
            return self._items.read_range(indices[0], indices[-1] + 1)
        return (self._items[index] for index in indices)
