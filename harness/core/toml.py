"""Read TOML files, with path, line and key in every error; write TOML tables with tomlkit."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.core.errors import ConfigError

_SET_BY_US = {"root", "path", "name"}
"""Model fields that are not keys of a file."""


class StrictModel(BaseModel):
    """Base class of everything read from TOML: frozen, no unknown keys, no conversion ("1.0" is not 1.0)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


M = TypeVar("M", bound=BaseModel)

Names = Annotated[tuple[str, ...], Field(strict=False)]
"""A TOML array of strings, stored as a tuple."""

Name = Annotated[str, Field(min_length=1)]
"""A non-empty string."""


def read_toml(path: Path) -> dict[str, Any]:
    """Return a TOML file as a dict; raises `ConfigError` with path and line."""
    text = ""
    try:
        text = path.read_text(encoding="utf-8-sig")
        return tomllib.loads(text)
    except FileNotFoundError:
        msg = f"{path}: no such file"
        raise ConfigError(msg) from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        msg = f"{path}:{line}: not UTF-8 text (byte {error.object[error.start]:#04x}): save the file as UTF-8"
        raise ConfigError(msg) from None
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"at line (\d+)", str(error))
        line = int(match.group(1)) if match else text.rstrip().count("\n") + 1
        msg = f"{path}:{line}: not valid TOML: {re.sub(r' [(]at .*[)]$', '', str(error))}"
        raise ConfigError(msg) from None
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise ConfigError(msg) from None


def parse(model: type[M], data: Mapping[str, Any], path: Path, section: tuple[str, ...] = ()) -> M:
    """Validate `data` as `model`; raises `ConfigError` with file, line, key and the closest valid key."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(model, item, path, section) for item in error.errors()[:3])) from None


def _explain(model: type[BaseModel], item: Any, path: Path, section: tuple[str, ...]) -> str:
    loc = (*section, *(str(part) for part in item["loc"]))
    where = at(path, loc)
    table = f" in [{table_name(loc[:-1])}]" if len(loc) > 1 else ""
    if item["type"] == "extra_forbidden":
        known = _fields_at(model, item["loc"][:-1])
        return f"{where}unknown key {loc[-1]!r}{table}{hint(loc[-1], known)}"
    if item["type"] == "missing":
        return f"{where}missing key {loc[-1]!r}{table}"
    if item["type"] == "value_error":  # the harness's own validators write complete messages
        return f"{where}{item['msg'].removeprefix('Value error, ')}"
    value = item["input"]
    actual = f", not {str(value).lower() if isinstance(value, bool) else f'{value!r:.60}'}"
    if value == "" or not isinstance(value, str | int | float):
        actual = ""
    place = f"item {int(loc[-1]) + 1} of {loc[-2]}" if isinstance(item["loc"][-1], int) else f"{loc[-1]}{table}"
    return f"{where}{place} {_PLAIN.get(item['type'], item['msg'].removeprefix('Input '))}{_lengths(item)}{actual}"


_PLAIN = {
    "tuple_type": "should be a list",
    "list_type": "should be a list",
    "dict_type": "should be a table",
    "mapping_type": "should be a table",
    "model_type": "should be a table",
    "dataclass_type": "should be a table",
    "model_attributes_type": "should be a table",
    "string_type": "should be a string",
    "string_too_short": "should not be empty",
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "bool_type": "should be true or false",
    "too_short": "should have at least",
}
"""Pydantic's error types in TOML's terms."""


def _lengths(item: Any) -> str:
    """Return the minimum and the actual length of an array that is too short."""
    if item["type"] != "too_short":
        return ""
    minimum = item["ctx"]["min_length"]
    return f" {minimum} item{'' if minimum == 1 else 's'}, not {item['ctx']['actual_length']}"


def table_name(loc: tuple[str, ...]) -> str:
    """Return a table's name as written between brackets."""
    return ".".join(part if re.fullmatch(r"[\w-]+", part, re.ASCII) else f'"{part}"' for part in loc)


def _fields_at(model: type[BaseModel], loc: tuple[Any, ...]) -> list[str]:
    """Return the valid keys of the table at `loc` in `model`."""
    here: Any = model
    for part in loc:
        field = getattr(here, "model_fields", {}).get(part)
        if field is None:
            return []
        here = next(
            (
                kind
                for kind in (field.annotation, *getattr(field.annotation, "__args__", ()))
                if isinstance(kind, type) and issubclass(kind, BaseModel)
            ),
            None,
        )
    return [name for name in getattr(here, "model_fields", {}) if name not in _SET_BY_US]


def at(path: Path, loc: tuple[str, ...]) -> str:
    """Return `path:line: ` of a key. TOML parsers keep no positions, so the key is searched in the text."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return f"{path}: "
    best = 0
    table: tuple[str, ...] = ()
    for number, line in enumerate(lines, 1):
        if header := re.match(rf"\s*\[\[?\s*({_KEY})\s*\]", line):
            full = table = _parts(header.group(1))
        elif key := re.match(rf"\s*({_KEY})\s*=", line):
            full = (*table, *_parts(key.group(1)))
        else:
            continue
        if full == loc[: len(full)]:
            best = number
    return f"{path}:{best}: " if best else f"{path}: "


_PART = r"""(?:"[^"]*"|'[^']*'|[\w-]+)"""
_KEY = rf"{_PART}(?:\s*\.\s*{_PART})*"


def _parts(key: str) -> tuple[str, ...]:
    """Return the parts of a dotted key; a dot between quotation marks does not separate."""
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in re.findall(_PART, key))


def table_text(path: Sequence[str], values: Mapping[str, Any]) -> str:
    """Return one TOML table as text: its header, which is the dotted `path`, and its keys."""
    import tomlkit  # the import takes 150 ms, and most commands write no TOML

    nested: Mapping[str, Any] = values
    for name in reversed(path):
        nested = {name: nested}
    return tomlkit.dumps(nested)


def comment(text: str) -> str:
    """Return a comment of one line, for TOML and YAML.

    A line break in `text` becomes a space: it would end the comment. TOML allows no control characters there.
    """
    return f"# {''.join(c if c.isprintable() else ' ' for c in text)}".rstrip()


MOST_NAMES = 20
"""Names in a list of known names."""


def hint(name: str, known: Any) -> str:
    """Return ` (did you mean 'x'?)`, or the first `MOST_NAMES` known names, or "" if there are none."""
    names = sorted(known)
    close = difflib.get_close_matches(name[:100], names, n=1, cutoff=0.6)
    if close:
        return f" (did you mean {close[0]!r}?)"
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return f" (there are: {', '.join(names[:MOST_NAMES])}{more})" if names else ""
