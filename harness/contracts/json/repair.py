"""Parse JSON text: as written, or with syntax errors repaired where only one reading is possible."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final

import json_repair

MISSING: Final = object()
"""Marks an absent value. `None` is a value: JSON's `null`."""

_SLIPS_LIMIT = 50_000
"""Longer texts are not repaired: json-repair is quadratic on hostile text."""
_DEPTH = 100

_TOKEN = re.compile(
    r"""(?P<space>\s++)
    |(?P<comment>//[^\n]*+|\#[^\n]*+|/\*(?:[^*]|\*(?!/))*+\*/)
    |(?P<mark>[{}\[\]:,])
    |"(?P<double>(?:[^"\\]|\\.)*+)"
    |'(?P<single>(?:[^'\\]|\\.)*+)'
    |[“”](?P<curly>[^“”"]*+)[“”]
    |‘(?P<curly_single>[^‘’]*+)’
    |(?P<word>[-+.\w]++)""",
    re.VERBOSE | re.DOTALL,
)
_LITERALS = {"true": "true", "false": "false", "null": "null", "True": "true", "False": "false", "None": "null"}
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*+)(?:\.\d++)?(?:[eE][-+]?\d++)?", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*+")
_SPECIAL = re.compile(r'\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt])|\\(.?)|"', re.DOTALL)

_FOREIGN = re.compile(r"(?<!\\)(?:\\\\)*+\\[xUNav0-7]")

_UNCLEAN = re.compile(r"[\x00-\x1f\\]")


class DuplicateKeyError(ValueError):
    """A key occurs twice with different values: `json.loads` takes the last, a careful reader cannot decide."""


def loads(text: str, *, strict: bool = True) -> Any:
    """Like `json.loads`, but return `MISSING` for invalid JSON, NaN, Infinity, and numbers out of range."""
    try:
        return json.loads(text, strict=strict, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return MISSING


def decode_at(text: str, start: int) -> tuple[Any, int]:
    """Return the value at `start` and its end. Line breaks in strings are allowed.

    Raises `DuplicateKeyError`, or `ValueError` without a value.
    """
    try:
        return _DECODER.raw_decode(text, start)
    except DuplicateKeyError:
        raise
    except (ValueError, RecursionError):
        pass
    try:
        return _LOOSE.raw_decode(text, start)
    except RecursionError:
        raise ValueError from None


def number(text: str) -> int | float | None:
    """Parse a JSON number; `None` for “1,200”, “007”, “12 %” and numbers out of range."""
    if not _NUMBER.fullmatch(text):
        return None
    value = loads(text)
    return None if value is MISSING else value


def is_number_text(text: str) -> bool:
    """Return whether `text` is exactly a JSON number."""
    return _NUMBER.fullmatch(text) is not None


def mend_string(inner: str) -> str | None:
    """Decode the text between two quotation marks, with missing escapes allowed.

    A backslash that escapes nothing stays, as in Python; before an apostrophe or a line break it is dropped. An escape
    of Python or JavaScript only (backslash, x, 41) is ambiguous: no value.
    """
    if _FOREIGN.search(inner):
        return None
    value = loads(f'"{_SPECIAL.sub(_escaped, inner)}"', strict=False)
    return value if isinstance(value, str) else None


def with_slips(text: str, start: int) -> tuple[Any, int]:
    """Parse an object or array in Python or JavaScript notation; return value and end, `MISSING` in doubt.

    Accepts single and typographic quotation marks, comments, trailing commas, bare keys, `True` and `None`. json-repair
    proposes a value, which counts only if it contains every token of the text and nothing else.
    """
    try:
        normal, end = _normal(text, start)
        value = _LOOSE.decode(normal)
        proposed = json_repair.loads(text[start:end])
    except (ValueError, RecursionError):
        return MISSING, start
    return (value, end) if same(value, proposed) else (MISSING, start)


def same(value: Any, other: Any) -> bool:
    """Return whether two values are the same JSON: `1` is not `true`."""
    return canonical(value) == canonical(other)


def canonical(value: Any) -> str:
    """Serialize a value canonically."""
    return json.dumps(value, sort_keys=True)


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(text)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        for key, value in pairs:
            if not same(value, members[key]):
                raise DuplicateKeyError(key)
    return members


def _clean_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return whether a key is malformed: it contains a line break or a backslash."""
    if any(_UNCLEAN.search(key) for key, _ in pairs):
        raise ValueError
    return _unique(pairs)


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_unique)
_LOOSE = json.JSONDecoder(strict=False, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_clean_keys)


def _escaped(match: re.Match[str]) -> str:
    if match[0] == '"':
        return '\\"'
    if match[1] is None:
        return match[0]
    return match[1] if match[1] == "'" else "" if match[1] == "\n" else "\\\\" + match[1]


def _normal(text: str, start: int) -> tuple[str, int]:
    """Rewrite the tokens as JSON, up to the bracket that closes the first. Raises `ValueError`."""
    out: list[str] = []
    depth, end = 0, start
    for kind, body, position in _tokens(text, start):
        end = position
        if kind == "mark":
            depth += (body in "{[") - (body in "}]")
            if body in "}]:" and out and out[-1] == ",":
                out.pop()
            out.append(body)
        elif out and out[-1] not in "{[:,":
            break  # two values without a comma between them
        else:
            out.append(_atom(kind, body))
        if depth == 0 or depth > _DEPTH:
            break
    if depth or not out or out[-1] not in "}]":
        raise ValueError
    return "".join(_keys_quoted(out)), end


def _tokens(text: str, start: int) -> Iterator[tuple[str, str, int]]:
    position, limit = start, min(len(text), start + _SLIPS_LIMIT)
    while position < limit:
        token = _TOKEN.match(text, position, limit)
        if token is None:
            raise ValueError
        position = token.end()
        kind = token.lastgroup or ""
        if kind not in ("space", "comment"):
            yield kind, token[kind], position


def _atom(kind: str, body: str) -> str:
    if kind != "word":
        mended = mend_string(body)
        if mended is None:
            raise ValueError
        return json.dumps(mended)
    return _LITERALS.get(body, body)


def _keys_quoted(tokens: list[str]) -> Iterator[str]:
    """Accept bare words as keys, never as values."""
    for place, token in enumerate(tokens):
        key = tokens[place + 1 : place + 2] == [":"]
        if token[0] in '"{}[]:,' or (not key and _plain(token)):
            yield token
        elif key and _NAME.fullmatch(token):
            yield json.dumps(token)
        else:
            raise ValueError


def _plain(token: str) -> bool:
    return token in ("true", "false", "null") or is_number_text(token)
