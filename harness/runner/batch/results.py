"""An index of result files by request id. Texts stay in the files until they are read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

from harness.backends.http.transport import MAX_REPLY_BYTES
from harness.core.errors import StoreError
from harness.core.types import JSON
from harness.runner.batch.jsonl import CustomId, content_of, is_success, parse_id, parse_result

MAX_LINE_BYTES = MAX_REPLY_BYTES + 1_000_000
"""Size of the longest reply plus its envelope. A longer line is not a result and is never in memory as a whole."""


class _ResultPosition(NamedTuple):
    path: Path
    number: int
    start: int


class BatchResults:
    """An index of result files; raises `StoreError` for a file that cannot be read."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Args: `paths` are files of results and errors, in any order, with lines in any order."""
        self.paths = tuple(paths)
        self.problems: list[str] = []
        """One message for each line that is not a result of the harness."""
        self._places: dict[CustomId, list[_ResultPosition]] = {}
        self._wanted: set[CustomId] = set()
        for path in paths:
            self._index(path)

    def __contains__(self, custom_id: CustomId) -> bool:
        return custom_id in self._places

    def __len__(self) -> int:
        return len(self._places)

    def cells(self) -> set[str]:
        """Return the cell part of every id."""
        return {custom_id.cell for custom_id in self._places}

    def take(self, custom_id: CustomId) -> dict[str, JSON] | None:
        """Return the result with this id; `None` if there is none, or if two different replies have this id."""
        self._wanted.add(custom_id)
        places = self._places.get(custom_id, [])
        results = [_read(place) for place in places]
        good = [result for result in results if is_success(result)]
        if len(results) > 1:
            differ = any(content_of(result) != content_of(good[0]) for result in good)
            used = "the replies differ, none is used" if differ else "one reply is used"
            self.problems.append(f"{_where(places[1])}: same id as line {places[0].number}: {used}")
            if differ:
                return None
        best = good or results
        return best[-1] if best else None

    def unused(self) -> dict[CustomId, str]:
        """Return the results that were never taken: id -> `file:line`."""
        return {i: _where(places[0]) for i, places in self._places.items() if i not in self._wanted}

    def _index(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                start = 0
                for number in count(1):
                    if not (line := file.readline(MAX_LINE_BYTES)):
                        return
                    self._note(_ResultPosition(path, number, start), line)
                    while line and not line.endswith(b"\n"):  # skip the rest of a line that is too long
                        line = file.readline(MAX_LINE_BYTES)
                    start = file.tell()
        except OSError as error:
            msg = f"{path}: cannot be read: {error.strerror or error}"
            raise StoreError(msg) from None

    def _note(self, place: _ResultPosition, line: bytes) -> None:
        if not line.strip():
            return
        result = parse_result(line)
        if isinstance(result, str):
            self.problems.append(f"{_where(place)}: {result}")
        elif (custom_id := parse_id(result["custom_id"])) is None:
            self.problems.append(f"{_where(place)}: custom_id {result['custom_id'][:80]!r} was not made by the harness")
        else:
            self._places.setdefault(custom_id, []).append(place)


def _read(place: _ResultPosition) -> dict[str, JSON]:
    with place.path.open("rb") as file:
        file.seek(place.start)
        result = parse_result(file.readline(MAX_LINE_BYTES))
    if isinstance(result, str):
        msg = f"{_where(place)}: the file was changed while it was read"
        raise StoreError(msg)
    return result


def _where(place: _ResultPosition) -> str:
    return f"{place.path.name}:{place.number}"
