"""What files of results say, by the id of the request. The texts stay in the files until they are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

from harness.backends.http.transport import MAX_REPLY_BYTES
from harness.core.errors import StoreError
from harness.core.types import JSON
from harness.runner.batch.jsonl import CustomId, content_of, is_good, parsed, result_of

MOST_LINE = MAX_REPLY_BYTES + 1_000_000
"""The longest reply that is read, and what stands around it. A longer line is no result, nor in memory as a whole."""


class _ResultPosition(NamedTuple):
    path: Path
    number: int
    start: int


class BatchResults:
    """An index of result files; raises `StoreError` for one that cannot be read."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """`paths`: results and errors, in any order; lines in any order."""
        self.paths = tuple(paths)
        self.problems: list[str] = []
        """Lines that are no results of ours, one message each."""
        self._places: dict[CustomId, list[_ResultPosition]] = {}
        self._wanted: set[CustomId] = set()
        for path in paths:
            self._index(path)

    def __contains__(self, custom_id: CustomId) -> bool:
        return custom_id in self._places

    def __len__(self) -> int:
        return len(self._places)

    def cells(self) -> set[str]:
        """The cells that the results are of, as their part of an id."""
        return {custom_id.cell for custom_id in self._places}

    def take(self, custom_id: CustomId) -> dict[str, JSON] | None:
        """The result with this id. None where two answers have it and differ: one of them is of something else."""
        self._wanted.add(custom_id)
        places = self._places.get(custom_id, [])
        results = [_read(place) for place in places]
        good = [result for result in results if is_good(result)]
        if len(results) > 1:
            differ = any(content_of(result) != content_of(good[0]) for result in good)
            used = "no answer is used, because they differ" if differ else "one answer is used"
            self.problems.append(f"{_where(places[1])}: the id of line {places[0].number} again: {used}")
            if differ:
                return None
        best = good or results
        return best[-1] if best else None

    def left_over(self) -> dict[CustomId, str]:
        """Results that nobody has asked for, and where they stand."""
        return {i: _where(places[0]) for i, places in self._places.items() if i not in self._wanted}

    def _index(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                start = 0
                for number in count(1):
                    if not (line := file.readline(MOST_LINE)):
                        return
                    self._note(_ResultPosition(path, number, start), line)
                    while line and not line.endswith(b"\n"):  # the rest of one that is too long
                        line = file.readline(MOST_LINE)
                    start = file.tell()
        except OSError as error:
            msg = f"{path}: cannot be read: {error.strerror or error}"
            raise StoreError(msg) from None

    def _note(self, place: _ResultPosition, line: bytes) -> None:
        if not line.strip():
            return
        result = result_of(line)
        if isinstance(result, str):
            self.problems.append(f"{_where(place)}: {result}")
        elif (custom_id := parsed(result["custom_id"])) is None:
            self.problems.append(f"{_where(place)}: custom_id {result['custom_id'][:80]!r} is not one of the harness")
        else:
            self._places.setdefault(custom_id, []).append(place)


def _read(place: _ResultPosition) -> dict[str, JSON]:
    with place.path.open("rb") as file:
        file.seek(place.start)
        result = result_of(file.readline(MOST_LINE))
    if isinstance(result, str):
        msg = f"{_where(place)}: the file was changed while it was read"
        raise StoreError(msg)
    return result


def _where(place: _ResultPosition) -> str:
    return f"{place.path.name}:{place.number}"
