"""Sequences that do not have to fit into memory: a million golden cases are read from a file of their own.

rows = Spool()                      bytes in, bytes out, by place
cases = LazyMap(rows, make)          what `make` makes of each, whenever it is looked at
some = LazySubset(cases, places)        those at some places, in that order
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
"""Bytes beyond which rows go to a temporary file."""
AT_ONCE = 256
"""How many rows are read at a time."""


class Spool:
    """Rows of bytes, in memory while they are few and in a temporary file when they are many."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  it goes with the spool
        self._ends = array("Q", [0])
        self._turn = Lock()

    def append(self, row: bytes) -> None:
        """One row more. All are appended before the first is read."""
        self._file.write(row)
        self._ends.append(self._ends[-1] + len(row))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def read(self, start: int, stop: int) -> list[bytes]:
        """The rows from `start` to before `stop`."""
        first, last = self._ends[start], self._ends[stop]
        with self._turn:
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
    """What sequences have in common that make their items when they are looked at."""

    @abstractmethod
    def some(self, start: int, stop: int) -> Iterable[T]:
        """The items from `start` to before `stop`."""

    def __iter__(self) -> Iterator[T]:
        for start in range(0, len(self), AT_ONCE):
            yield from self.some(start, min(start + AT_ONCE, len(self)))

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...
    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            return LazySubset(self, range(*place.indices(len(self))))
        found = range(len(self))[place]
        return next(iter(self.some(found, found + 1)))


class LazyMap(_LazySequence[T]):
    """The rows of a spool as what `make` makes of them."""

    def __init__(self, rows: Spool, make: Callable[[bytes], T]) -> None:
        self._rows = rows
        self._make = make

    def __len__(self) -> int:
        return len(self._rows)

    def some(self, start: int, stop: int) -> Iterable[T]:
        """Read together."""
        return map(self._make, self._rows.read(start, stop))


class LazySubset(_LazySequence[T]):
    """The items of another sequence at `places`, in that order."""

    def __init__(self, items: Sequence[T], places: Sequence[int]) -> None:
        self._items = items
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def some(self, start: int, stop: int) -> Iterable[T]:
        """Read together where the places follow one another."""
        places = self._places[start:stop]
        if isinstance(self._items, _LazySequence) and all(b - a == 1 for a, b in pairwise(places)):
            return self._items.some(places[0], places[-1] + 1)
        return (self._items[place] for place in places)
