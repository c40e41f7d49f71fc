"""Rows that every import format produces, and lookup of columns in them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.core.errors import ConfigError
from harness.core.toml import hint
from harness.core.types import JSON, NOTHING

SHOWN = 12
"""Most values that one message lists."""
_KEPT = 200
"""Most distinct values counted per column. Limits memory for columns such as ids."""


@dataclass(frozen=True, slots=True)
class ColumnSelection:
    """Columns to read and rows to select. A dotted name reaches into an object: `correct.Athene-70B`.

    `where` has (column, value) pairs that must all match. `None` or an empty value selects the format's default.
    `null`: whether a null reply or score is a failed call or a wrong answer.
    """

    id: str | None = None
    reply: str | None = None
    expected: str | None = None
    allowed: str | None = None
    correct: str | None = None
    inputs: tuple[str, ...] = ()
    tags: str | None = None
    where: tuple[tuple[str, str], ...] = ()
    null: Literal["error", "wrong"] = "error"


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """One answered question of a foreign file.

    Attributes:
        where: `file:line`, for messages.
        right: Recorded (strict, lenient) scores by the measure `measure`; `None` if the file has none.
        answers: Recorded (strict, lenient) answers; an answer is `None` if the tool parsed none.
        violations: Contract violations that belong to `answers`.
        error: Reason for a missing reply.
        latency_s: Seconds.
    """

    where: str
    id: str
    inputs: Mapping[str, JSON] = field(default_factory=lambda: NOTHING)
    expected: JSON = None
    reply: str | None = None
    allowed: tuple[str, ...] = ()
    right: tuple[bool, bool] | None = None
    measure: str = ""
    answers: tuple[str | None, str | None] | None = None
    violations: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    repeat: int = 0
    error: str = ""
    truncated: bool = False
    latency_s: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    model: str = ""


def dig(value: Any, name: str) -> Iterator[Any]:
    """Yield the value at a dotted name, or nothing. A key that contains dots takes precedence."""
    if isinstance(value, list):
        head, _, rest = name.partition(".")
        if head.isascii() and head.isdigit() and int(head) < len(value):
            yield from dig(value[int(head)], rest) if rest else iter((value[int(head)],))
        return
    if not isinstance(value, Mapping):
        return
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        key, rest = ".".join(parts[:length]), ".".join(parts[length:])
        if key in value:
            values = [value[key]] if not rest else list(dig(value[key], rest))
            if values:
                yield values[0]
                return


def column(row: Mapping[str, Any], name: str, where: str) -> Any:
    """Return the value of a column; raises `ConfigError` that lists the existing columns."""
    for value in dig(row, name):
        return value
    msg = f"{where}: no column {name!r}{hint(name, _known(row, name))}"
    raise ConfigError(msg)


def _known(row: Mapping[str, Any], name: str) -> list[str]:
    """Columns near `name`: the keys of the object that it reaches into, else those of the row."""
    for end in (i for i in range(len(name) - 1, 0, -1) if name[i] == "."):
        for inner in dig(row, name[:end]):
            if isinstance(inner, Mapping):
                return [f"{name[:end]}.{key}" for key in inner]
    return [str(key) for key in row]


def as_text(value: Any) -> str:
    """Return text unchanged, and any other value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def case_id(value: Any, where: str) -> str:
    """Return a case id as text; raises `ConfigError` if the value cannot be an id."""
    if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
        return str(value)
    msg = f"{where}: an id must be text or an integer, not {value!r:.60}: name another column with --id"
    raise ConfigError(msg)


def strings(value: Any, what: str, where: str) -> tuple[str, ...]:
    """Return a list of strings, or one string, as a tuple; raises `ConfigError` for other values."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    msg = f"{where}: {what} must be a list of strings, not {value!r:.60}"
    raise ConfigError(msg)


_TRUE = frozenset({"true", "1", "1.0", "yes", "c", "correct", "pass", "right"})
_FALSE = frozenset({"false", "0", "0.0", "no", "i", "n", "incorrect", "fail", "wrong"})


def is_true(value: Any, what: str, where: str) -> bool:
    """Return whether a value means "correct"; raises `ConfigError` if it means neither."""
    text = as_text(value).strip().lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    msg = f"{where}: {what} is {value!r:.60}, not a pass/fail value: name another column with --correct"
    raise ConfigError(msg)


class RowFilter:
    """Selects rows, and counts the values it sees so that an error can list them."""

    def __init__(self, where: tuple[tuple[str, str], ...]) -> None:
        """`where`: (column, value) pairs that must all match."""
        self._where = where
        self._seen: dict[str, Counter[str]] = {name: Counter() for name, _ in where}
        self._first: Mapping[str, Any] | None = None

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Return whether this row is selected."""
        if self._first is None:
            self._first = row
        fits = True
        for name, wanted in self._where:
            values = [as_text(value) for value in dig(row, name)]
            seen = self._seen[name]
            if values and (values[0] in seen or len(seen) < _KEPT):
                seen[values[0]] += 1
            fits = fits and values == [wanted]
        return fits

    def check(self, source: str, n_matched: int) -> None:
        """Raise `ConfigError` if no row matched; the message lists the existing values."""
        if n_matched:
            return
        if self._first is None:
            msg = f"{source}: the file has no rows to import"
            raise ConfigError(msg)
        for name, wanted in self._where:
            seen = self._seen[name]
            if not seen:
                msg = f"{source}: no column {name!r}{hint(name, _known(self._first, name))}"
                raise ConfigError(msg)
            if wanted not in seen:
                msg = f"{source}: no row has {name}={wanted}; the file has {listed(seen)}"
                raise ConfigError(msg)
        msg = f"{source}: no row has {' and '.join(f'{name}={value}' for name, value in self._where)} together"
        raise ConfigError(msg)


def listed(counted: Mapping[str, int]) -> str:
    """Format counts, most frequent first: `gpt-4 (500), gpt-3.5 (500)`."""
    shown = [f"{value[:80]} ({n:,})" for value, n in Counter(counted).most_common(SHOWN)]
    return ", ".join(shown) + (f" and {len(counted) - SHOWN} more" if len(counted) > SHOWN else "")
