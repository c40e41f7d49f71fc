"""What a format makes of a file: rows. And how columns are named, looked up and chosen by."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.core.errors import ConfigError
from harness.core.toml import hint
from harness.core.types import JSON, NOTHING

SHOWN = 12
"""How many values one message lists."""
_KEPT = 200
"""Different values of one column that are counted, so that an id column does not fill the memory."""


@dataclass(frozen=True, slots=True)
class ColumnSelection:
    """Which columns are what, and which rows are meant. Names may reach into objects: `correct.Athene-70B`.

    `where`: (column, value) pairs that must all hold. `None` and empty: the format's own way.
    """

    id: str | None = None
    reply: str | None = None
    expected: str | None = None
    allowed: str | None = None
    correct: str | None = None
    inputs: tuple[str, ...] = ()
    tags: str | None = None
    where: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """One answered question of a foreign file. `where` is `file:line`, for messages.

    `right`: what the file itself says of the strict and the lenient answer, by the measure named `measure`; `None`
    where it says nothing. `answers`: what it read as the strict and as the lenient answer, `None` where it found none;
    `violations` belong to them. `error`: why there is no reply.
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
    """The value that a dotted name reaches, if it reaches one. A key that has dots itself is found first."""
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
            found = [value[key]] if not rest else list(dig(value[key], rest))
            if found:
                yield found[0]
                return


def column(row: Mapping[str, Any], name: str, where: str) -> Any:
    """The value of a column; raises `ConfigError` with the columns that there are."""
    for value in dig(row, name):
        return value
    msg = f"{where}: no column {name!r}{hint(name, _known(row, name))}"
    raise ConfigError(msg)


def _known(row: Mapping[str, Any], name: str) -> list[str]:
    """The columns, and those inside the object that `name` was looking into."""
    for end in (i for i in range(len(name) - 1, 0, -1) if name[i] == "."):
        for inner in dig(row, name[:end]):
            if isinstance(inner, Mapping):
                return [f"{name[:end]}.{key}" for key in inner]
    return [str(key) for key in row]


def as_text(value: Any) -> str:
    """A value as it is compared and shown: text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def case_id(value: Any, where: str) -> str:
    """A case's id; raises `ConfigError` for what cannot be one."""
    if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
        return str(value)
    msg = f"{where}: an id is text or a whole number, not {value!r:.60}: name another column with --id"
    raise ConfigError(msg)


def strings(value: Any, what: str, where: str) -> tuple[str, ...]:
    """A list of strings, or one; raises `ConfigError`."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    msg = f"{where}: {what} must be a list of strings, not {value!r:.60}"
    raise ConfigError(msg)


_TRUE = frozenset({"true", "1", "1.0", "yes", "c", "correct", "pass", "right"})
_FALSE = frozenset({"false", "0", "0.0", "no", "i", "n", "incorrect", "fail", "wrong"})


def is_true(value: Any, what: str, where: str) -> bool:
    """Whether a value says right; raises `ConfigError` for one that says neither right nor wrong."""
    said = as_text(value).strip().lower()
    if said in _TRUE or said in _FALSE:
        return said in _TRUE
    msg = f"{where}: {what} is {value!r:.60}, which is neither right nor wrong: name another with --correct"
    raise ConfigError(msg)


class RowFilter:
    """Which rows are meant. Remembers what it saw, to say what there is where nothing fits."""

    def __init__(self, where: tuple[tuple[str, str], ...]) -> None:
        """`where`: column and value, all of which must hold."""
        self._where = where
        self._seen: dict[str, Counter[str]] = {name: Counter() for name, _ in where}
        self._first: Mapping[str, Any] | None = None

    def takes(self, row: Mapping[str, Any]) -> bool:
        """Whether this row is meant."""
        if self._first is None:
            self._first = row
        fits = True
        for name, wanted in self._where:
            found = [as_text(value) for value in dig(row, name)]
            seen = self._seen[name]
            if found and (found[0] in seen or len(seen) < _KEPT):
                seen[found[0]] += 1
            fits = fits and found == [wanted]
        return fits

    def check(self, source: str, taken: int) -> None:
        """Raise `ConfigError` where nothing was taken, with what there is instead."""
        if taken:
            return
        if self._first is None:
            msg = f"{source}: no rows: there is nothing to import"
            raise ConfigError(msg)
        for name, wanted in self._where:
            seen = self._seen[name]
            if not seen:
                msg = f"{source}: no column {name!r}{hint(name, _known(self._first, name))}"
                raise ConfigError(msg)
            if wanted not in seen:
                msg = f"{source}: no row has {name}={wanted}: there are {listed(seen)}"
                raise ConfigError(msg)
        msg = f"{source}: no row has {' and '.join(f'{name}={value}' for name, value in self._where)} at once"
        raise ConfigError(msg)


def listed(counted: Mapping[str, int]) -> str:
    """`gpt-4 (500), gpt-3.5 (500)`, the most frequent first."""
    shown = [f"{value[:80]} ({n:,})" for value, n in Counter(counted).most_common(SHOWN)]
    return ", ".join(shown) + (f" and {len(counted) - SHOWN} more" if len(counted) > SHOWN else "")
